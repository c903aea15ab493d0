package actorkit_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"butler/internal/actorkit"
	"butler/internal/actorkit/actortest"
)

// restarting restarts a failing child at once.
func restarting() actor.PropsOption {
	return actor.WithGuardian(actor.NewOneForOneStrategy(100, time.Minute, actor.DefaultDecider))
}

func TestMailbox_keepsMessagesAfterAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, _, stats := actortest.Kit(t)
		var got []int
		gate := make(chan struct{})
		pid := kit.System.Root.Spawn(kit.Props("x", func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				n, ok := ctx.Message().(int)
				if !ok {
					return
				}
				if n == 0 {
					<-gate
				}
				if n == 2 {
					panic("on purpose")
				}
				got = append(got, n)
			})
		}, restarting()))
		for n := range 5 {
			kit.System.Root.Send(pid, n)
		}
		synctest.Wait()
		if depth := stats.Mailboxes("x"); depth != 4 {
			t.Errorf("want 4 messages waiting, got %d", depth)
		}
		close(gate)
		synctest.Wait()
		if diff := cmp.Diff([]int{0, 1, 3, 4}, got); diff != "" {
			t.Error(diff)
		}
		if depth := stats.Mailboxes("x"); depth != 0 {
			t.Errorf("want no message waiting after the crash, got %d", depth)
		}
		if stats.Bugs() != 1 {
			t.Errorf("want one bug counted, got %d", stats.Bugs())
		}
	})
}

func TestMailbox_countsNothingOfAnActorThatWasStoppedAfterAPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, _, stats := actortest.Kit(t)
		handled := 0
		gate := make(chan struct{})
		stopping := actor.NewOneForOneStrategy(0, time.Minute, func(any) actor.Directive { return actor.StopDirective })
		pid := kit.System.Root.Spawn(kit.Props("x", func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				if _, ok := ctx.Message().(int); ok {
					handled++
					<-gate
					panic("on purpose")
				}
			})
		}, actor.WithGuardian(stopping)))
		for n := range 5 {
			kit.System.Root.Send(pid, n)
		}
		synctest.Wait()
		close(gate)
		synctest.Wait()
		if depth := stats.Mailboxes("x"); depth != 0 || handled != 1 {
			t.Errorf("want one message handled and none waiting after the stop, got %d and %d", handled, depth)
		}
	})
}

func TestApart_doesNotWaitForOtherActors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, _, _ := actortest.Kit(t)
		gate := make(chan struct{})
		busy := kit.Props("busy", func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				if _, ok := ctx.Message().(int); ok {
					<-gate
				}
			})
		})
		for range max(2, runtime.GOMAXPROCS(0)) { // all goroutines of the dispatcher
			kit.System.Root.Send(kit.System.Root.Spawn(busy), 0)
		}
		got := 0
		pid := kit.System.Root.Spawn(kit.Props("x", func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				if _, ok := ctx.Message().(int); ok {
					got++
				}
			})
		}, actorkit.Apart()))
		kit.System.Root.Send(pid, 0)
		synctest.Wait()
		if got != 1 {
			t.Errorf("want the message handled while all others are busy, got %d", got)
		}
		close(gate)
		synctest.Wait()
	})
}

func TestFail_doesNotCountAsABug(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, logs, stats := actortest.Kit(t)
		cause := errors.New("no journal")
		pid := kit.System.Root.Spawn(kit.Props("x", func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				if ctx.Message() == "fail" {
					actorkit.Fail(cause)
				}
			})
		}, restarting()))
		kit.System.Root.Send(pid, "fail")
		synctest.Wait()
		if stats.Bugs() != 0 {
			t.Errorf("want no bug, got %d", stats.Bugs())
		}
		if n := logs.FilterMessage("actor gave up on a known fault").Len(); n != 1 {
			t.Errorf("want one log line, got %d", n)
		}
	})
}

func TestMailbox_isFairToOthersWhileItNeverEmpties(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, _, _ := actortest.Kit(t)
		const messages = 10_000
		handled, before := 0, 0
		one := actorkit.Apart() // one goroutine for both
		other := kit.System.Root.Spawn(kit.Props("other", func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				if ctx.Message() == "turn" {
					before = handled
				}
			})
		}, one))
		busy := kit.System.Root.Spawn(kit.Props("busy", func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				if left, ok := ctx.Message().(int); ok && left > 0 {
					handled++
					ctx.Send(ctx.Self(), left-1)
				}
				if handled == 1 {
					ctx.Send(other, "turn")
				}
			})
		}, one))
		synctest.Wait()
		kit.System.Root.Send(busy, messages)
		synctest.Wait()
		if handled != messages || before == 0 || before > messages/10 {
			t.Errorf("want the other's turn early among the %d messages, got it after %d of %d", messages, before, handled)
		}
	})
}

func TestEffects_answerAsAnOrdinaryMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, _, _ := actortest.Kit(t)
		var got []any
		effects := actorkit.NewEffects(actorkit.NewPool(2))
		var refused int
		pid := kit.System.Root.Spawn(kit.Props("x", func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				switch m := ctx.Message().(type) {
				case time.Duration:
					ok := effects.Run(ctx, time.Second, func(call context.Context) any {
						select {
						case <-time.After(m):
							return "done"
						case <-call.Done():
							return call.Err().Error()
						}
					})
					if !ok {
						refused++
					}
				case string:
					got = append(got, m)
				}
			})
		}))
		for _, d := range []time.Duration{10 * time.Millisecond, time.Hour, time.Millisecond} {
			kit.System.Root.Send(pid, d)
		}
		synctest.Wait()
		if refused != 1 {
			t.Errorf("want the third call refused by a pool of two, got %d", refused)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if diff := cmp.Diff([]any{"done", context.DeadlineExceeded.Error()}, got); diff != "" {
			t.Error(diff)
		}
		effects.Close()
	})
}

func TestEffects_dropAnswersAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, _, _ := actortest.Kit(t)
		effects := actorkit.NewEffects(actorkit.NewPool(1))
		probe := actortest.Spawn(t, kit, "probe", func(ctx actor.Context, m any) {
			if m == "go" {
				effects.Run(ctx, time.Minute, func(call context.Context) any {
					<-call.Done()
					return "late"
				})
			}
		})
		kit.System.Root.Send(probe.PID, "go")
		synctest.Wait()
		effects.Close()
		synctest.Wait()
		if got := actortest.Of[string](probe); len(got) != 1 {
			t.Errorf("want nothing but the command, got %v", got)
		}
	})
}

func TestEffects_aPanicIsRepeatedInTheActor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, logs, stats := actortest.Kit(t)
		pool, lives := actorkit.NewPool(2), 0
		pid := kit.System.Root.Spawn(kit.Props("x", func() actor.Actor {
			var effects *actorkit.Effects
			return actor.ReceiveFunc(func(ctx actor.Context) {
				switch m := ctx.Message().(type) {
				case *actor.Started:
					lives++
					effects = actorkit.NewEffects(pool)
				case *actor.Restarting:
					effects.Close()
				case time.Duration:
					if !effects.Run(ctx, time.Minute, func(context.Context) any {
						time.Sleep(m)
						panic("on purpose")
					}) {
						t.Error("a call that panicked has kept its slot")
					}
				}
			})
		}, restarting()))
		for _, after := range []time.Duration{time.Second, time.Minute} {
			kit.System.Root.Send(pid, after)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if lives != 2 || stats.Bugs() != 1 {
			t.Errorf("want one bug, and a second life, got %d and %d lives", stats.Bugs(), lives)
		}
		told := logs.FilterMessage("actor panicked").All()
		if len(told) != 1 || told[0].ContextMap()["panic"] != "on purpose" || !strings.Contains(fmt.Sprint(told[0].ContextMap()["stack"]), "aPanicIsRepeatedInTheActor") {
			t.Errorf("want the cause and the stack of the call, got %v", told)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if lives != 2 || stats.Bugs() != 2 {
			t.Errorf("want a call of an earlier life counted, and no crash for it, got %d bugs and %d lives", stats.Bugs(), lives)
		}
		kit.System.Root.Send(pid, time.Duration(0))
		synctest.Wait()
	})
}

func TestTimer_stopsAndFires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, _, _ := actortest.Kit(t)
		var stopped actorkit.Timer
		probe := actortest.Spawn(t, kit, "probe", func(ctx actor.Context, m any) {
			if m == "arm" {
				actorkit.After(ctx, time.Hour, "fired")
				stopped = actorkit.After(ctx, time.Minute, "stopped")
			}
		})
		kit.System.Root.Send(probe.PID, "arm")
		synctest.Wait()
		stopped.Stop()
		time.Sleep(time.Hour)
		synctest.Wait()
		if diff := cmp.Diff([]string{"arm", "fired"}, actortest.Of[string](probe)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAlarm_wakesOnceAtTheLastSetTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, _, _ := actortest.Kit(t)
		var alarm actorkit.Alarm
		woken := 0
		start := time.Now()
		in := func(d time.Duration) time.Time { return start.Add(d) }
		probe := actortest.Spawn(t, kit, "probe", func(ctx actor.Context, m any) {
			switch m := m.(type) {
			case []time.Time:
				for _, at := range m {
					alarm.Set(ctx, at, "came")
				}
			case string:
				alarm.Stop()
				if woken++; woken == 1 {
					alarm.Set(ctx, in(time.Minute), "came") // which is now, again
				} else if woken == 2 {
					alarm.Set(ctx, in(2*time.Hour), "came")
				}
			}
		})
		kit.System.Root.Send(probe.PID, []time.Time{in(3 * time.Minute), in(time.Minute), in(time.Minute), {}, in(time.Minute)})
		time.Sleep(4 * time.Hour)
		synctest.Wait()
		var came []time.Duration
		for _, r := range probe.All() {
			if r.Message == any("came") {
				came = append(came, r.At.Sub(start))
			}
		}
		if diff := cmp.Diff([]time.Duration{time.Minute, time.Minute, 2 * time.Hour}, came); diff != "" {
			t.Error(diff)
		}
	})
}

func TestStats_exposeEveryFamily(t *testing.T) {
	reg := prometheus.NewRegistry()
	stats := actorkit.NewStats(reg)
	stats.Mailboxes("shard")
	n, err := testutil.GatherAndCount(reg)
	if err != nil || n != 5 {
		t.Errorf("want five families for one kind, got %d, %v", n, err)
	}
}

// The following tests document behaviour of the runtime on which the actors rely, so that
// an upgrade that changes it is noticed.

func TestRuntime_stopDiscardsQueuedMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, _, _ := actortest.Kit(t)
		var got int
		gate := make(chan struct{})
		pid := kit.System.Root.Spawn(kit.Props("x", func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				if _, ok := ctx.Message().(int); ok {
					got++
					<-gate
				}
			})
		}))
		for n := range 6 {
			kit.System.Root.Send(pid, n)
		}
		synctest.Wait()
		kit.System.Root.Stop(pid)
		close(gate)
		synctest.Wait()
		if got != 1 {
			t.Errorf("want Stop to discard what is queued, %d handled", got)
		}
	})
}

func TestRuntime_aRestartStopsAllChildren(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, _, _ := actortest.Kit(t)
		var started, stopped int
		child := kit.Props("child", func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				switch ctx.Message().(type) {
				case *actor.Started:
					started++
				case *actor.Stopped:
					stopped++
				}
			})
		})
		pid := kit.System.Root.Spawn(kit.Props("parent", func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				switch ctx.Message() {
				case "crash":
					panic("on purpose")
				}
				if _, ok := ctx.Message().(*actor.Started); ok {
					ctx.Spawn(child)
				}
			})
		}, restarting()))
		kit.System.Root.Send(pid, "crash")
		synctest.Wait()
		if started != 2 || stopped != 1 {
			t.Errorf("want the child started twice and stopped once, got %d and %d", started, stopped)
		}
	})
}

func TestRuntime_notifiesTheParentOfAStoppedChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, _, _ := actortest.Kit(t)
		var ended int
		pid := kit.System.Root.Spawn(kit.Props("parent", func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				switch ctx.Message().(type) {
				case *actor.Started:
					ctx.Stop(ctx.Spawn(kit.Props("child", func() actor.Actor { return actor.ReceiveFunc(func(actor.Context) {}) })))
				case *actor.Terminated:
					ended++
				}
			})
		}))
		synctest.Wait()
		if ended != 1 {
			t.Errorf("want one Terminated without a watch, got %d", ended)
		}
		kit.System.Root.Stop(pid)
		synctest.Wait()
	})
}

func TestRuntime_aDeadLetterKeepsATimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, _, _ := actortest.Kit(t)
		gone := kit.System.Root.Spawn(kit.Props("gone", func() actor.Actor { return actor.ReceiveFunc(func(actor.Context) {}) }))
		kit.System.Root.Stop(gone)
		synctest.Wait()
		kit.System.Root.Send(gone, "too late")
		// If Kit did not wait at the end of the test, the bubble would report a deadlock.
	})
}
