package execution

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/destination"
	"butler/internal/trail"
	"butler/messages"
)

// told returns the fields of the one line that is written about a decision.
func told(t *testing.T, decision *Tell) map[string]any {
	t.Helper()
	core, lines := observer.New(zap.InfoLevel)
	o := Options{Log: zap.New(core), Metrics: NewMetrics(prometheus.NewRegistry())}
	o.tell(decision, new(trail.Decision))
	if lines.Len() != 1 {
		t.Fatalf("want one line, got %d", lines.Len())
	}
	return lines.All()[0].ContextMap()
}

func TestTell_saysWhyNobodyIsTold(t *testing.T) {
	got := told(t, &Tell{
		Alert: &messages.Alert{Kind: messages.ReloadTaskFailed}, Outcome: OutcomeNobodyTold,
		Without: []destination.Verdict{{Instance: "slack/routes/night", Reason: `route "quiet" matched before and does not continue`}},
	})
	if want := `route "quiet" matched before and does not continue`; got["not_slack/routes/night"] != want {
		t.Errorf("want the reason %q, got %v", want, got)
	}
	if _, more := got["not_others"]; more {
		t.Errorf("want no others, got %v", got)
	}
}

func TestTell_boundsWhatOneLineSays(t *testing.T) {
	var without []destination.Verdict
	for i := range 1000 {
		without = append(without, destination.Verdict{Instance: fmt.Sprint("slack/routes/", i), Reason: "no"})
	}
	got := told(t, &Tell{Alert: &messages.Alert{Kind: messages.ReloadTaskFailed}, Outcome: OutcomeNobodyTold, Without: without})
	if len(got) > 50 || got["not_others"] != int64(970) || got["not_slack/routes/29"] != "no" {
		t.Errorf("want 30 reasons and the number of the others, got %d fields", len(got))
	}
}
