package samples_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"butler/internal/samples"
	"butler/messages"
)

// allOf returns everything in an alert as text.
func allOf(t *testing.T, a messages.Alert) string {
	t.Helper()
	raw, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestTest_happensNowAndSaysThatItIsATest(t *testing.T) {
	now := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, kind := range messages.AllKinds() {
		a := samples.Test(kind, "run-1", now)
		text := allOf(t, a)
		if !a.Test || !a.DecidedAt.Equal(now) {
			t.Errorf("%s: want an alert of %s that is marked as a test, got %v, %s", kind, now, a.Test, a.DecidedAt)
		}
		if about := kind != messages.LicenseStatus && kind != messages.LicenseExpiring; about && !strings.Contains(text, samples.TestPrefix) {
			t.Errorf("%s: want %q before the name, got %s", kind, samples.TestPrefix, text)
		}
		for _, of := range []string{`"2026-05-06`, `"2026-05-07`} { // the day of the sample, and the one after
			if strings.Contains(text, of) {
				t.Errorf("%s: want times around %s, got %s in %s", kind, now, of, text)
			}
		}
	}
}

func TestTest_keepsTheTimesOfAnExecutionTogether(t *testing.T) {
	now := time.Date(2027, 1, 2, 3, 4, 5, 123_000_000, time.UTC)
	a := samples.Test(messages.ReloadTaskFailed, "run-1", now)
	if want := "2027-01-02T03:04:05.000Z"; a.Execution.Stop != want {
		t.Errorf("want the execution to stop at %s, got %s", want, a.Execution.Stop)
	}
	if want := "2027-01-02T03:00:20.000Z"; a.Execution.Start != want {
		t.Errorf("want it to start at %s, as long before as %s, got %s", want, a.Execution.Duration, a.Execution.Start)
	}
	began := time.Date(2027, 1, 2, 3, 0, 20, 0, time.UTC).Local().Format(time.DateTime)
	if line := a.ScriptLog.Tail[0]; !strings.HasPrefix(line, began+"      LOAD sales") {
		t.Errorf("want a script log that begins at %s, got %q", began, line)
	}
}

func TestTest_isNeverTakenForAnotherRun(t *testing.T) {
	now := time.Now()
	seen := map[messages.AlertID]bool{}
	for _, run := range []string{"run-1", "run-2"} {
		for _, kind := range messages.AllKinds() {
			a := samples.Test(kind, run, now)
			if seen[a.ID] {
				t.Errorf("%s of %s: want an ID of its own", kind, run)
			}
			seen[a.ID] = true
			if a.TaskEvent() && a.Event.ExecutionID != run {
				t.Errorf("%s: want execution ID %s, got %s", kind, run, a.Event.ExecutionID)
			}
		}
	}
}
