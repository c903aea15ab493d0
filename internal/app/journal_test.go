package app

import (
	"errors"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"butler/supervisors"
)

func TestJournalHealth_saysWhatDoesNotHappenUntilThatLogCanBeWritten(t *testing.T) {
	logged, lines := observer.New(zap.InfoLevel)
	a := &App{log: zap.New(logged), health: supervisors.NewBoard()}
	tell := a.journalHealth(logValues, "changes of key-values are not confirmed")
	a.journalUp(logValues)
	ready := func() bool { ok, _ := a.health.Ready("journal/" + logValues); return ok }
	if !ready() {
		t.Error("want it up when it has been opened")
	}
	tell(errors.New("no space left on device"))
	if ready() {
		t.Error("want it down while it cannot be written")
	}
	told := lines.TakeAll()
	if len(told) != 1 || !strings.Contains(told[0].Message, "changes of key-values are not confirmed until it can") || told[0].ContextMap()["log"] != logValues {
		t.Errorf("want one line that says what that means, got %v", told)
	}
	tell(nil)
	if told = lines.TakeAll(); !ready() || len(told) != 1 {
		t.Errorf("want it up again, and that told, got %v", told)
	}
}
