package usertest

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// told is the variable that holds what a test tells itself.
const told = "USERTEST_TOLD"

// Again runs the test that calls it once more, in a process of the user of an ID alone,
// and tells it something; it fails when that one does. Only root may do so.
func Again(t *testing.T, id int, what string) {
	t.Helper()
	// By this name the program is there for who may not look into its directory, too.
	again := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.v", "-test.count=1", "-test.run=^"+regexp.QuoteMeta(t.Name())+"$")
	again.Env = append(os.Environ(), told+"="+what)
	again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(id), Gid: uint32(id)}}
	out, err := again.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()+" ") {
		t.Errorf("as the user %d: %v\n%s", id, err, out)
	}
}

// Told returns what Again tells, in the process that it runs.
func Told() (what string, again bool) { return os.LookupEnv(told) }
