package destinationtest

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"butler/internal/qlik"
	"butler/messages"
)

func TestAlerts_coverEveryKindInEveryForm(t *testing.T) {
	var got []string
	for _, s := range Alerts() {
		got = append(got, s.Name)
		if s.Name != string(s.Alert.Kind)+"_"+string(s.Form) {
			t.Errorf("%s is an alert of %s", s.Name, s.Alert.Kind)
		}
	}
	var want []string
	for _, kind := range messages.AllKinds() {
		for _, form := range Forms() {
			want = append(want, string(kind)+"_"+string(form))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAlerts_areTheSameEveryTime(t *testing.T) {
	if diff := cmp.Diff(Alerts(), Alerts()); diff != "" {
		t.Error(diff)
	}
}

func TestAlerts_fitTogether(t *testing.T) {
	for _, s := range Alerts() {
		a := s.Alert
		if !a.TaskEvent() {
			if a.ID != messages.NewAlertID(a.Key, a.Kind) || a.Subject() == "" || a.DecidedAt.IsZero() {
				t.Errorf("%s: identifiers or time are missing", s.Name)
			}
			continue
		}
		if a.ID != messages.NewAlertID(a.Key, a.Kind) || a.Event.At.IsZero() || !qlik.IsGUID(a.Event.TaskID) {
			t.Errorf("%s: identifiers or time are missing", s.Name)
		}
		if degraded := s.Form == FormDegraded; degraded == a.Task.Known || degraded != (len(a.Degraded) > 0) || degraded == a.Execution.Known {
			t.Errorf("%s: what is known and what is missing do not fit", s.Name)
		}
		if family := a.Event.Family; family != messages.FamilyDistribute && a.Task.Known && messages.KindOf(family, a.Task.Type) != a.Kind {
			t.Errorf("%s: %s of a %s task is no such alert", s.Name, family, a.Task.Type)
		}
		if !a.ScriptLog.Available && a.Task.Known && a.Task.Type == qlik.TaskReload {
			t.Errorf("%s has no script log", s.Name)
		}
	}
}

func TestAlerts_oneDoesNotChangeAnother(t *testing.T) {
	first := Complete(messages.ReloadTaskFailed)
	Hostile(messages.ReloadTaskFailed)
	if diff := cmp.Diff(first, Complete(messages.ReloadTaskFailed)); diff != "" {
		t.Error(diff)
	}
}

func TestHostileText_isHostile(t *testing.T) {
	text := HostileText()
	if utf8.ValidString(text) {
		t.Error("it is UTF-8")
	}
	for _, part := range []string{"\r\n", "\x00", `"`, "'", "<", "{{", ",", "=", "🚀", "../"} {
		if !strings.Contains(text, part) {
			t.Errorf("it has no %q", part)
		}
	}
}
