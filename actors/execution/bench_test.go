package execution

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"butler/internal/destination"
	"butler/internal/fastpath"
	"butler/internal/outbox"
	"butler/internal/qlik"
	"butler/messages"
)

// BenchmarkFastPath decides one event per iteration, by whether its task is in the cache.
func BenchmarkFastPath(b *testing.B) {
	qrs := known(qlik.TaskReload)
	for _, row := range []struct {
		name   string
		router Router
		atHand bool
	}{
		{"no route", &router{}, true},
		{"task at hand", everyKind(destination.Needs{Task: true}), true},
		{"task looked up", everyKind(destination.Needs{Task: true}), false},
	} {
		b.Run(row.name, func(b *testing.B) {
			cached := messages.LookupTaskReply{TaskID: taskID, Task: qrs.task}
			o := &Options{
				Rules: func() Rules { return rules(row.router) }, Log: zap.NewNop(), Metrics: NewMetrics(prometheus.NewRegistry()),
				AtHand: func(messages.LookupTask, time.Time) (*messages.LookupTaskReply, bool) { return &cached, row.atHand },
			}
			fast := o.FastPath(messages.Ref{ID: "shard"}, 1)
			in := &messages.TaskEventObserved{PlacedEvent: messages.PlacedEvent{
				At: messages.EventPosition{Seq: 1}, Key: "exec-1", Event: event(messages.FamilyFailed),
			}}
			b.ReportAllocs()
			for b.Loop() {
				said := fast.Decide(epoch, in)
				for _, q := range fast.questions {
					reply, _ := qrs.answer(epoch, q)
					said, _ = fast.Answer(epoch, reply)
				}
				fast.questions = fast.questions[:0]
				if said.Progress != fastpath.Decided {
					b.Fatalf("want it decided, got %+v", said)
				}
				fast.decided = outbox.Batch{} // instead of Record
			}
		})
	}
}
