package execution

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"butler/messages"
)

func TestMetrics_showTheWayOfAnEventWhereItsLogTimeCanBeTrue(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewMetrics(reg)
	m.zone = time.FixedZone("two hours east", 2*60*60)
	observe := func(logged string) {
		e := event(messages.FamilyFailed)
		e.LogTimestamp = logged
		m.observe(&Report{Outcome: OutcomeAlerted, Alert: &messages.Alert{Event: e}, At: epoch})
	}
	for _, took := range []time.Duration{
		750 * time.Millisecond, 14 * time.Minute, -900 * time.Millisecond, // the last one is a clock that is a little fast
		-time.Second, 15 * time.Minute, -2 * time.Hour, 300 * 24 * time.Hour,
	} {
		observe(epoch.Add(-took).In(m.zone).Format("2006-01-02 15:04:05,000"))
	}
	for _, text := range []string{"", "yesterday", "9999-99-99 99:99:99,999"} {
		observe(text)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "butler_event_source_delay_seconds" {
			continue
		}
		if h := f.GetMetric()[0].GetHistogram(); h.GetSampleCount() != 3 || h.GetSampleSum() != 840.75 {
			t.Errorf("want 0.75, 840 and 0 seconds, got %d events and %v seconds", h.GetSampleCount(), h.GetSampleSum())
		}
		return
	}
	t.Error("want the delay among the metrics")
}
