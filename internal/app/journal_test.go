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

func TestEventsReadable_isNoReasonToRefuseEvents(t *testing.T) {
	logged, lines := observer.New(zap.InfoLevel)
	a := &App{log: zap.New(logged), health: supervisors.NewBoard()}
	a.journalUp(logEvents)
	a.eventsReadable(errors.New("the disk is slow"))
	if ready, _ := a.health.Ready("journal/" + logEvents); !ready {
		t.Error("want it ready: new events are stored")
	}
	if state, _ := a.health.Report(); state != supervisors.Degraded {
		t.Errorf("want it degraded, got %v", state)
	}
	if told := lines.TakeAll(); len(told) != 1 || !strings.Contains(told[0].Message, "none is decided until it can") {
		t.Errorf("want one line that says what that means, got %v", told)
	}
	a.eventsReadable(nil)
	if state, _ := a.health.Report(); state != supervisors.Up || lines.Len() != 1 {
		t.Errorf("want it up again with a line, got %v", state)
	}
}
