package actorkit_test

import (
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
)

// hops passes a number on until it is 0.
type hops struct {
	to   *actor.PID
	done chan struct{}
}

func (h *hops) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.PID:
		h.to = message
	case int:
		if message == 0 {
			close(h.done)
			return
		}
		ctx.Send(h.to, message-1)
	}
}

// BenchmarkHop is one message from an actor to another.
func BenchmarkHop(b *testing.B) {
	kit := actorkit.New(zap.NewNop(), nil)
	done := make(chan struct{})
	one, two := spawn(b, kit, &hops{done: done}), spawn(b, kit, &hops{done: done})
	kit.System.Root.Send(one, two)
	kit.System.Root.Send(two, one)
	b.ReportAllocs()
	b.ResetTimer()
	kit.System.Root.Send(one, b.N)
	<-done
}

// BenchmarkLife is an actor that is spawned, gets one message and is stopped.
func BenchmarkLife(b *testing.B) {
	kit := actorkit.New(zap.NewNop(), nil)
	done := make(chan struct{}, 1)
	once := kit.Props("once", func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			switch ctx.Message().(type) {
			case int:
				ctx.Stop(ctx.Self())
			case *actor.Stopped:
				done <- struct{}{}
			}
		})
	})
	b.ReportAllocs()
	for b.Loop() {
		kit.System.Root.Send(kit.System.Root.Spawn(once), 1)
		<-done
	}
}

func spawn(b *testing.B, kit *actorkit.Kit, a actor.Actor) *actor.PID {
	b.Helper()
	return kit.System.Root.Spawn(kit.Props("hops", func() actor.Actor { return a }))
}
