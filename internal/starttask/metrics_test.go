package starttask

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestMetrics_countWhatBecameOfStarts(t *testing.T) {
	reg := prometheus.NewRegistry()
	s := team(t)
	filter, _ := NewFilter(AllowList{TaskIDs: []string{idOf(1), idOf(2), idOf(9)}})
	starter := s.starter(func(o *Options) { o.Filter, o.Metrics = filter, NewMetrics(reg) })
	starter.Start(t.Context(), caller(), Request{IDs: []string{idOf(1), idOf(2), idOf(3), idOf(9)}, Tags: []string{"nightly"}, KeyValues: []KeyValue{{"n", "k", "v", 0}}})
	starter.Start(t.Context(), caller(), Request{IDs: []string{idOf(1)}, DryRun: true})
	want := `
# HELP butler_task_starts_total Tasks that were to be started from outside, by way in and by what became of it: done, failed, denied, or rehearsed in a dry run.
# TYPE butler_task_starts_total counter
butler_task_starts_total{outcome="denied",way="rest"} 2
butler_task_starts_total{outcome="done",way="rest"} 2
butler_task_starts_total{outcome="failed",way="rest"} 1
butler_task_starts_total{outcome="rehearsed",way="rest"} 1
`
	for _, way := range []string{"mqtt", "reload", "schedule", "unknown"} {
		for _, outcome := range []string{"denied", "done", "failed", "rehearsed"} {
			want += `butler_task_starts_total{outcome="` + outcome + `",way="` + way + "\"} 0\n"
		}
	}
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "butler_task_starts_total"); err != nil {
		t.Error(err)
	}
}
