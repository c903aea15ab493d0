package app

import (
	"bytes"
	"os"
	"os/exec"
	"runtime/debug"
	"testing"
)

// crashDir, in the environment, makes this test the process that ends.
const crashDir = "BUTLER_TEST_CRASH_DIR"

func TestReportCrash_tellsACrashFromAKill(t *testing.T) {
	if dir := os.Getenv(crashDir); dir != "" {
		end(dir, os.Getenv("BUTLER_TEST_END"))
	}
	t.Cleanup(func() { _ = debug.SetCrashOutput(nil, debug.CrashOptions{}) })
	for _, tt := range []struct {
		end  string
		want bool
	}{{"panic", true}, {"kill", false}, {"exit", false}} {
		t.Run(tt.end, func(t *testing.T) {
			dir := t.TempDir()
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestReportCrash_tellsACrashFromAKill$")
			child.Env = append(os.Environ(), crashDir+"="+dir, "BUTLER_TEST_END="+tt.end)
			if out, err := child.CombinedOutput(); err == nil {
				t.Fatalf("the process did not end as it should: %s", out)
			}
			report, err := collectCrashReport(dir)
			if err != nil {
				t.Fatal(err)
			}
			if got := bytes.Contains(report, []byte("on purpose")); got != tt.want || len(report) > 0 != tt.want {
				t.Errorf("want a report %t, got %q", tt.want, report)
			}
			if again, err := collectCrashReport(dir); err != nil || len(again) > 0 {
				t.Errorf("want the crash told once, got %q, %v", again, err)
			}
		})
	}
}

// end is the child process: it watches for crashes and ends in one way.
func end(dir, how string) {
	if _, err := collectCrashReport(dir); err != nil {
		os.Exit(0)
	}
	switch how {
	case "panic":
		go panic("on purpose")
		select {}
	case "kill":
		self, _ := os.FindProcess(os.Getpid())
		_ = self.Kill()
		select {}
	default:
		os.Exit(3)
	}
}
