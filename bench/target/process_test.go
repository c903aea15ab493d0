//go:build unix

package target

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// launch starts a shell script as a target, which is ready when the file up exists.
func launch(t *testing.T, script string) (*Target, *strings.Builder) {
	t.Helper()
	// Tests in the background of a shell begin with SIGINT ignored, and no script could change
	// that: one that is handled here is not ignored there.
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	t.Cleanup(func() { signal.Stop(interrupts) })
	directory, log := t.TempDir(), &strings.Builder{}
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := os.Stat(filepath.Join(directory, "up")); err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(page.Close)
	path := filepath.Join(directory, "script")
	if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	spec := Spec{Name: "script", Command: "sh {dir}/script {dir}/up", Config: "none", Ready: page.URL}
	target, _, err := Start(t.Context(), Options{Spec: spec, Site: Site{Dir: directory}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return target, log
}

func TestTarget_tellsHowItsProcessEnded(t *testing.T) {
	const forever = "\n: > $1\nwhile :; do sleep 0.05; done\n"
	for _, test := range []struct {
		name, script string
		end          func(*Target) error
		want         Ends
		said         string
	}{
		{"one that ends", "trap 'exit 0' INT" + forever, (*Target).Stop, Ends{}, ""},
		{"one that the signal ends", forever, (*Target).Stop, Ends{}, ""},
		{"one that ends with an error", "trap 'echo no disk; exit 3' INT" + forever, (*Target).Stop, Ends{Failed: 1}, "script ended with an error: exit status 3; it wrote:\nno disk"},
		{"one that does not end", "trap '' INT" + forever, (*Target).Stop, Ends{Killed: 1}, "did not end within 200ms and was killed"},
		{"one that is killed", forever, (*Target).Kill, Ends{}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			target, log := launch(t, test.script)
			target.stopTime = max(target.stopTime*time.Duration(1-test.want.Killed), 200*time.Millisecond)
			if err := test.end(target); err != nil {
				t.Fatal(err)
			}
			if got := target.Ends(); got != test.want {
				t.Errorf("want %+v, got %+v", test.want, got)
			}
			if !strings.Contains(log.String(), test.said) || test.said == "" && log.Len() > 0 {
				t.Errorf("want %q said, got %q", test.said, log.String())
			}
		})
	}
}

// The target crashes by itself, which a later kill -9 must not hide.
func TestTarget_tellsOfACrashBeforeTheEnd(t *testing.T) {
	target, _ := launch(t, ": > $1\nwhile [ ! -e $1.now ]; do sleep 0.05; done\nexit 2\n")
	if err := os.WriteFile(filepath.Join(target.site.Dir, "up.now"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	exit := <-target.ended
	target.ended <- exit
	if err := target.Kill(); err != nil || target.Ends() != (Ends{Failed: 1}) {
		t.Errorf("want one that failed, got %+v, %v", target.Ends(), err)
	}
}
