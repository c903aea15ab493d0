//go:build linux

package app_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// shifter is a file of the program: it follows the file that CHAOS_WALL names.
const shifter = `package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

func init() {
	follow := func() {
		text, err := os.ReadFile(os.Getenv("CHAOS_WALL"))
		if err != nil {
			return
		}
		if seconds, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			time.ShiftWall(seconds)
		}
	}
	follow()
	go func() {
		for range time.Tick(20 * time.Millisecond) {
			follow()
		}
	}()
}
`

// writeShiftOverlay writes what go build -overlay takes, and returns its path.
func writeShiftOverlay(t *testing.T, dir string) string {
	t.Helper()
	root := strings.TrimSpace(output(t, "go", "env", "GOROOT"))
	source := filepath.Join(root, "src", "time", "time.go")
	text, err := os.ReadFile(source)
	must(t, err)
	changed := string(text)
	for _, change := range [][2]string{
		{"import (\n", "import (\n\t\"sync/atomic\"\n"},
		{"func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n", `func Now() Time {
	sec, nsec, mono := runtimeNow()
	sec += wallShift.Load()
`},
		{"// Now returns the current local time.\n", `var wallShift atomic.Int64

// ShiftWall sets how many seconds the wall clock is off.
func ShiftWall(seconds int64) { wallShift.Store(seconds) }

// Now returns the current local time.
`},
	} {
		if !strings.Contains(changed, change[0]) {
			t.Fatalf("want %q in %s", change[0], source)
		}
		changed = strings.Replace(changed, change[0], change[1], 1)
	}
	clock, extra := filepath.Join(dir, "time.go"), filepath.Join(dir, "shift.go")
	must(t, os.WriteFile(clock, []byte(changed), 0o600))
	must(t, os.WriteFile(extra, []byte(shifter), 0o600))
	command := strings.TrimSpace(output(t, "go", "list", "-f", "{{.Dir}}", "butler/cmd/butler"))
	overlay, err := json.Marshal(map[string]map[string]string{
		"Replace": {source: clock, filepath.Join(command, "shift_of_the_clock.go"): extra},
	})
	must(t, err)
	path := filepath.Join(dir, "overlay.json")
	must(t, os.WriteFile(path, overlay, 0o600))
	return path
}

// output runs a command and returns what it prints.
func output(t *testing.T, name string, arguments ...string) string {
	t.Helper()
	out, err := exec.Command(name, arguments...).Output()
	must(t, err)
	return string(out)
}
