package supervisors_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/actorkit/actortest"
	"butler/supervisors"
)

// crasher is an actor that panics on "crash" and counts how often it was started.
func crasher(kit *actorkit.Kit, name string, starts *atomic.Int64) supervisors.Child {
	return supervisors.Child{Name: name, Props: func() *actor.Props {
		return kit.Props(name, func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				switch ctx.Message() {
				case "crash":
					panic("on purpose")
				}
				if _, ok := ctx.Message().(*actor.Started); ok {
					starts.Add(1)
				}
			})
		})
	}}
}

func TestTree_restartsAFailingServiceWithAGrowingPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, _, _ := actortest.Kit(t)
		board := supervisors.NewBoard()
		var starts atomic.Int64
		tree, err := supervisors.Start(kit, zap.NewNop(), board, []supervisors.Child{crasher(kit, "svc", &starts)}, func(string, any) { t.Error("want no end of the service") })
		if err != nil {
			t.Fatal(err)
		}
		pid := actor.NewPID("nonhost", "svc")
		var pauses []time.Duration
		for range 8 {
			synctest.Wait()
			before, began := starts.Load(), time.Now()
			kit.System.Root.Send(pid, "crash")
			for starts.Load() == before {
				synctest.Wait()
				time.Sleep(time.Millisecond)
			}
			pauses = append(pauses, time.Since(began))
		}
		for i := 2; i < len(pauses); i++ {
			if pauses[i] <= pauses[i-2] {
				t.Errorf("want growing pauses, got %v", pauses)
			}
		}
		if state, _ := board.Report(); state != supervisors.Up {
			t.Errorf("want the board up after the restart, got %s", state)
		}
		tree.Stop(t.Context())
	})
}

func TestTree_aPendingRestartDoesNotAffectASuccessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, _, _ := actortest.Kit(t)
		board := supervisors.NewBoard()
		var first, second atomic.Int64
		tree, err := supervisors.Start(kit, zap.NewNop(), board, []supervisors.Child{crasher(kit, "svc", &first)}, func(string, any) { t.Error("want no end of the service") })
		if err != nil {
			t.Fatal(err)
		}
		kit.System.Root.Send(actor.NewPID("nonhost", "svc"), "crash")
		synctest.Wait()
		if err := tree.Remove(t.Context(), "svc"); err != nil {
			t.Fatal(err)
		}
		if err := tree.Add(crasher(kit, "svc", &second)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if first.Load() != 1 || second.Load() != 1 {
			t.Errorf("started %d and %d times, want once each", first.Load(), second.Load())
		}
		tree.Stop(t.Context())
	})
}

func TestTree_degradesAServiceAndKeepsRestartingIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, _, _ := actortest.Kit(t)
		board := supervisors.NewBoard()
		var starts atomic.Int64
		tree, err := supervisors.Start(kit, zap.NewNop(), board, []supervisors.Child{crasher(kit, "svc", &starts)}, func(string, any) { t.Error("want no end of the service") })
		if err != nil {
			t.Fatal(err)
		}
		pid := actor.NewPID("nonhost", "svc")
		for range 21 {
			kit.System.Root.Send(pid, "crash")
			synctest.Wait()
			time.Sleep(30 * time.Second / 2)
			synctest.Wait()
		}
		for range 30 {
			kit.System.Root.Send(pid, "crash")
			time.Sleep(2 * time.Minute)
			synctest.Wait()
		}
		if starts.Load() != 52 {
			t.Errorf("want every crash answered by a start, got %d starts of 52", starts.Load())
		}
		tree.Stop(t.Context())
	})
}

func TestTree_endsTheServiceWhenACriticalChildFailsTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, _, _ := actortest.Kit(t)
		board := supervisors.NewBoard()
		var fatal []string
		var starts atomic.Int64
		child := crasher(kit, "heart", &starts)
		child.Critical = true
		tree, err := supervisors.Start(kit, zap.NewNop(), board, []supervisors.Child{child}, func(name string, _ any) { fatal = append(fatal, name) })
		if err != nil {
			t.Fatal(err)
		}
		for range 11 {
			kit.System.Root.Send(actor.NewPID("nonhost", "heart"), "crash")
			time.Sleep(5 * time.Second)
			synctest.Wait()
		}
		if diff := cmp.Diff([]string{"heart"}, fatal); diff != "" {
			t.Error(diff)
		}
		if state, _ := board.Report(); state != supervisors.Down {
			t.Errorf("want the board down, got %s", state)
		}
		tree.Stop(t.Context())
	})
}

func TestTree_stopsInReverseOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, _, _ := actortest.Kit(t)
		var stopped []string
		child := func(name string) supervisors.Child {
			return supervisors.Child{Name: name, Props: func() *actor.Props {
				return kit.Props(name, func() actor.Actor {
					return actor.ReceiveFunc(func(ctx actor.Context) {
						if _, ok := ctx.Message().(*actor.Stopped); ok {
							stopped = append(stopped, name)
						}
					})
				})
			}}
		}
		tree, err := supervisors.Start(kit, zap.NewNop(), supervisors.NewBoard(), []supervisors.Child{child("a"), child("b"), child("c")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		tree.Stop(t.Context())
		if diff := cmp.Diff([]string{"c", "b", "a"}, stopped); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTree_stopReturnsWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, logs, _ := actortest.Kit(t)
		release := make(chan struct{})
		var stopped atomic.Int64
		stuck := func(name string) supervisors.Child {
			return supervisors.Child{Name: name, Props: func() *actor.Props {
				return kit.Props(name, func() actor.Actor {
					return actor.ReceiveFunc(func(ctx actor.Context) {
						switch ctx.Message().(type) {
						case *actor.Stopping:
							<-release
						case *actor.Stopped:
							stopped.Add(1)
						}
					})
				})
			}}
		}
		tree, err := supervisors.Start(kit, kit.Log, supervisors.NewBoard(), []supervisors.Child{stuck("a"), stuck("b"), stuck("c")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		tree.Stop(ctx)
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("want the stop to end with its context after 3 s, it took %s", took)
		}
		if told := logs.FilterMessage("actor did not stop in time").Len(); told != 3 {
			t.Errorf("want a line for each of 3 actors, got %d", told)
		}
		close(release)
		synctest.Wait()
		if stopped.Load() != 3 {
			t.Errorf("want every child told to stop, %d of 3 were", stopped.Load())
		}
		time.Sleep(10 * time.Second) // until the goroutines of stop end: the runtime waits for 10 s
	})
}

func TestStopEntity_stopsOnlyTheFailingChild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, _, _ := actortest.Kit(t)
		var ended, handled []string
		child := func(name string) *actor.Props {
			return kit.Props("entity", func() actor.Actor {
				return actor.ReceiveFunc(func(ctx actor.Context) {
					switch ctx.Message() {
					case "crash":
						panic("on purpose")
					case "work":
						handled = append(handled, name)
					}
				})
			})
		}
		var pids []*actor.PID
		parent := kit.System.Root.Spawn(kit.Props("parent", func() actor.Actor {
			return actor.ReceiveFunc(func(ctx actor.Context) {
				switch m := ctx.Message().(type) {
				case *actor.Started:
					pids = append(pids, ctx.SpawnPrefix(child("one"), "one"), ctx.SpawnPrefix(child("two"), "two"))
				case *actor.Terminated:
					ended = append(ended, m.Who.GetId())
				}
			})
		}, actor.WithSupervisor(supervisors.StopEntity{})))
		synctest.Wait()
		kit.System.Root.Send(pids[0], "crash")
		synctest.Wait()
		kit.System.Root.Send(pids[1], "work")
		synctest.Wait()
		if len(ended) != 1 || ended[0] != pids[0].GetId() || len(handled) != 1 {
			t.Errorf("want one end and one at work, got %v and %v", ended, handled)
		}
		kit.System.Root.Stop(parent)
		synctest.Wait()
	})
}

func TestBoard_isAsBadAsItsWorstComponent(t *testing.T) {
	board := supervisors.NewBoard()
	board.Set("journal", supervisors.Up, "")
	board.Set("qrs", supervisors.Degraded, "out of reach")
	if state, components := board.Report(); state != supervisors.Degraded || len(components) != 2 || components[1].Reason != "out of reach" {
		t.Errorf("got %s, %+v", state, components)
	}
	if ready, why := board.Ready("journal", "ingest"); ready || why != "ingest has not started" {
		t.Errorf("want not ready without ingest, got %v %q", ready, why)
	}
	board.Set("journal", supervisors.Down, "disk full")
	if ready, why := board.Ready("journal"); ready || why != "journal: disk full" {
		t.Errorf("want not ready with the reason, got %v %q", ready, why)
	}
	board.Set("journal", supervisors.Up, "")
	board.Stopping()
	if ready, _ := board.Ready("journal"); ready {
		t.Error("want not ready while stopping")
	}
}
