package execution

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/actorkit/actortest"
	"butler/internal/destination"
	"butler/internal/journal"
	"butler/internal/outbox"
	"butler/internal/qlik"
	"butler/messages"
)

// decisions is an outbox that keeps what it is given.
type decisions struct{ recorded []outbox.Decision }

func (d *decisions) Record(one outbox.Decision, _ []journal.Op, done func(error)) {
	d.recorded = append(d.recorded, one)
	done(nil)
}

func TestExecution_asksTheGateOnlyForWhatIsNotAtHand(t *testing.T) {
	for _, row := range []struct {
		name   string
		atHand bool
		asked  int
	}{{"at hand", true, 0}, {"not at hand", false, 1}} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kit, _, _ := actortest.Kit(t)
				qrs, made := known(qlik.TaskReload), &decisions{}
				gate := actortest.Spawn(t, kit, "gate", func(ctx actor.Context, message any) {
					if lookup, ok := message.(messages.LookupTask); ok {
						reply, _ := qrs.answer(time.Now(), lookup)
						ctx.Send(actorkit.PIDOf(lookup.ReplyTo), reply)
					}
				})
				notify := actortest.Spawn(t, kit, "notify", nil)
				o := &Options{
					Kit: kit, Rules: rules(everyKind(destination.Needs{Task: true})), Outbox: made, Log: zap.NewNop(),
					Metrics: NewMetrics(prometheus.NewRegistry()), Gate: gate.PID, Notify: notify.PID, Jitter: func() float64 { return 0 },
					AtHand: func(q messages.LookupTask, now time.Time) (messages.LookupTaskReply, bool) {
						reply, _ := qrs.answer(now, q)
						return reply.(messages.LookupTaskReply), row.atHand
					},
				}
				shard := actortest.Spawn(t, kit, "shard", func(ctx actor.Context, message any) {
					if observed, ok := message.(messages.TaskEventObserved); ok {
						ctx.Send(ctx.Spawn(o.Props()), observed)
					}
				})
				kit.System.Root.Send(shard.PID, messages.TaskEventObserved{PlacedEvent: messages.PlacedEvent{
					At: messages.EventPosition{Seq: 1}, Key: "exec-1", Event: event(messages.FamilyFailed),
				}})
				synctest.Wait()
				if asked := actortest.Of[messages.LookupTask](gate); len(asked) != row.asked {
					t.Errorf("want the gate asked %d times, got %d", row.asked, len(asked))
				}
				if len(made.recorded) != 1 || made.recorded[0].Alert.Task.Name != "Daily" || len(actortest.Of[messages.NoticesRecorded](notify)) != 1 {
					t.Errorf("want one alert about the task, got %+v", made.recorded)
				}
				for _, probe := range []*actortest.Probe{shard, gate, notify} {
					if err := kit.System.Root.StopFuture(probe.PID).Wait(); err != nil {
						t.Error(err)
					}
				}
				synctest.Wait()
			})
		})
	}
}
