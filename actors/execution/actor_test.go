package execution

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/actorkit/actortest"
	"butler/internal/destination"
	"butler/internal/outbox"
	"butler/internal/qlik"
	"butler/messages"
)

// decisions is an outbox that keeps the notices it is given.
type decisions struct{ recorded [][]messages.NoticeHead }

func (d *decisions) Commit(b *outbox.Batch, done func(error)) {
	d.recorded = append(d.recorded, b.Notices())
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
					Kit: kit, Rules: func() Rules { return rules(everyKind(destination.Needs{Task: true})) }, Outbox: made, Log: zap.NewNop(),
					Metrics: NewMetrics(prometheus.NewRegistry()), Gate: gate.PID, Notify: notify.PID, Jitter: func() float64 { return 0 },
					AtHand: func(q messages.LookupTask, now time.Time) (*messages.LookupTaskReply, bool) {
						reply, _ := qrs.answer(now, q)
						known := reply.(messages.LookupTaskReply)
						return &known, row.atHand
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
				if len(made.recorded) != 1 || len(made.recorded[0]) != 1 || len(actortest.Of[messages.NoticesRecorded](notify)) != 1 {
					t.Errorf("want one notice about the task, got %+v", made.recorded)
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

// A task is counted by the actor that follows it, and by the shard while that sleeps.
func TestExecution_countsTheTaskItFollowsUntilItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, _, _ := actortest.Kit(t)
		qrs := known(qlik.TaskDistribute)
		qrs.task.LastStatus = qlik.StatusStarted
		gate := actortest.Spawn(t, kit, "gate", func(ctx actor.Context, message any) {
			if lookup, ok := message.(messages.LookupTask); ok {
				reply, _ := qrs.answer(time.Now(), lookup)
				ctx.Send(actorkit.PIDOf(lookup.ReplyTo), reply)
			}
		})
		o := &Options{
			Kit: kit, Rules: func() Rules { return rules(everyKind(destination.Needs{})) }, Outbox: &decisions{}, Log: zap.NewNop(),
			Metrics: NewMetrics(prometheus.NewRegistry()), Gate: gate.PID, Jitter: func() float64 { return 0 },
		}
		var follower *actor.PID
		shard := actortest.Spawn(t, kit, "shard", func(ctx actor.Context, message any) {
			if observed, ok := message.(messages.TaskEventObserved); ok {
				follower = ctx.Spawn(o.Props())
				ctx.Send(follower, observed)
			}
		})
		kit.System.Root.Send(shard.PID, messages.TaskEventObserved{PlacedEvent: messages.PlacedEvent{
			At: messages.EventPosition{Seq: 1}, Key: "exec-1", Event: event(messages.FamilyDistribute),
		}})
		synctest.Wait()
		offers := actortest.Of[messages.ExecutionAsleep](shard)
		if len(offers) != 1 || offers[0].Tasks != 1 || offers[0].Observed != 1 || testutil.ToFloat64(o.Metrics.following) != 1 {
			t.Errorf("want one task counted, and one offer to sleep, got %+v", offers)
		}
		o.Metrics.Asleep(1)
		if err := kit.System.Root.StopFuture(follower).Wait(); err != nil {
			t.Error(err)
		}
		if got := testutil.ToFloat64(o.Metrics.following); got != 1 {
			t.Errorf("want the task counted by its shard alone, got %v", got)
		}
		for _, probe := range []*actortest.Probe{shard, gate} {
			if err := kit.System.Root.StopFuture(probe.PID).Wait(); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
	})
}
