package execution

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/destination"
	"butler/internal/qlik"
	"butler/internal/trail"
	"butler/messages"
)

// told returns the fields of the one line that is written about a decision.
func told(t *testing.T, decision *Report) map[string]any {
	t.Helper()
	core, lines := observer.New(zap.InfoLevel)
	o := Options{Log: zap.New(core), Metrics: NewMetrics(prometheus.NewRegistry())}
	o.report(decision, new(trail.Decision))
	if lines.Len() != 1 {
		t.Fatalf("want one line, got %d", lines.Len())
	}
	return lines.All()[0].ContextMap()
}

func TestTell_saysWhyNobodyIsTold(t *testing.T) {
	got := told(t, &Report{
		Alert: &messages.Alert{Kind: messages.ReloadTaskFailed}, Outcome: OutcomeNobodyNotified,
		Without: []destination.Omission{{Instance: "slack/routes/night", Reason: `route "quiet" matched before and does not continue`}},
	})
	if want := `route "quiet" matched before and does not continue`; got["not_slack/routes/night"] != want {
		t.Errorf("want the reason %q, got %v", want, got)
	}
	if _, more := got["not_others"]; more {
		t.Errorf("want no others, got %v", got)
	}
}

// The log travels further than the journal: it has no addresses of people.
func TestTell_saysHowManyAreLeftOutAndNotWho(t *testing.T) {
	got := told(t, &Report{
		Alert: &messages.Alert{Kind: messages.ReloadTaskFailed},
		Without: []destination.Omission{{Instance: "email/a", LeftOut: []destination.LeftOut{
			{Recipients: []string{"emma@example.com", "joe@example.com"}, Reason: "the task does not have Alert = Yes"},
			{Reason: "the owner of the app is not known"},
		}}},
	})
	if want := "2 recipients are left out: the task does not have Alert = Yes; the owner of the app is not known"; got["not_email/a"] != want {
		t.Errorf("want %q, got %v", want, got["not_email/a"])
	}
}

// Who sends a failure by hand looks for its line; every success that nobody wants is no news.
func TestTell_aFailureThatNobodyCarriesIsALine(t *testing.T) {
	for _, row := range []struct {
		family messages.Family
		status qlik.ExecutionStatus
		want   zapcore.Level
	}{
		{messages.FamilyFailed, qlik.StatusUnknown, zap.InfoLevel},
		{messages.FamilyAborted, qlik.StatusUnknown, zap.InfoLevel},
		{messages.FamilySucceeded, qlik.StatusUnknown, zap.DebugLevel},
		{messages.FamilyDistribute, qlik.StatusFinishedFail, zap.InfoLevel},
		{messages.FamilyDistribute, qlik.StatusFinishedSuccess, zap.DebugLevel},
	} {
		core, lines := observer.New(zap.DebugLevel)
		o := Options{Log: zap.New(core), Metrics: NewMetrics(prometheus.NewRegistry())}
		o.report(&Report{Alert: &messages.Alert{
			Event: messages.TaskEvent{Family: row.family}, Task: messages.Task{Known: true, LastStatus: row.status},
		}, Outcome: OutcomeNoRoute}, new(trail.Decision))
		if got := lines.All()[0].Level; got != row.want {
			t.Errorf("%s, %s: want a line of level %s, got %s", row.family, row.status, row.want, got)
		}
	}
}

func TestTell_boundsWhatOneLineSays(t *testing.T) {
	var without []destination.Omission
	for i := range 1000 {
		without = append(without, destination.Omission{Instance: fmt.Sprint("slack/routes/", i), Reason: "no"})
	}
	got := told(t, &Report{Alert: &messages.Alert{Kind: messages.ReloadTaskFailed}, Outcome: OutcomeNobodyNotified, Without: without})
	if len(got) > 50 || got["not_others"] != int64(970) || got["not_slack/routes/29"] != "no" {
		t.Errorf("want 30 reasons and the number of the others, got %d fields", len(got))
	}
}

// Who is to find out why an event was dropped needs to know what was found.
func TestTell_saysWhatWasFound(t *testing.T) {
	for _, row := range []struct {
		outcome Outcome
		task    messages.Task
		want    string
	}{
		{OutcomeUnknownType, messages.Task{Known: true, Type: 7}, "its type is 7"},
		{OutcomeUnknownType, messages.Task{Known: true, Type: qlik.TaskTypeUnknown}, "its type cannot be read"},
		{OutcomeNotDistribute, messages.Task{Known: true, Type: qlik.TaskPreload}, "it is of type preload"},
		{OutcomeNotDistribute, messages.Task{Known: true, TypeMissing: true}, "it has no type"},
		{OutcomeUnexpectedStatus, messages.Task{Known: true, Type: qlik.TaskDistribute, LastStatus: qlik.StatusSkipped}, "its state is Skipped"},
		{OutcomeUnexpectedStatus, messages.Task{Known: true, Type: qlik.TaskDistribute, LastStatus: qlik.StatusUnknown}, "it has no execution result that can be read"},
	} {
		decision := &Report{Alert: &messages.Alert{Task: row.task}, Outcome: row.outcome}
		if got := told(t, decision)["found"]; got != row.want {
			t.Errorf("%s: want the line to say %q, got %v", row.outcome, row.want, got)
		}
		want := outcomes[row.outcome].text + ": " + row.want
		if got := decision.trailDecision(new(trail.Decision)).Text; got != want {
			t.Errorf("%s: want the trail to say %q, got %q", row.outcome, want, got)
		}
	}
	if got, ok := told(t, &Report{Alert: &messages.Alert{}, Outcome: OutcomeLogOnly})["found"]; ok {
		t.Errorf("want nothing where nothing is odd, got %v", got)
	}
}
