package actorkit_test

import (
	"sync"
	"testing"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/messages"
)

// answer sends a message to an address, as an actor would.
func answer(kit *actorkit.Kit, to messages.Ref, message any) {
	kit.System.Root.Send(actorkit.PIDOf(to), message)
}

// expect returns an address for one answer that is a number.
func expect(kit *actorkit.Kit) (messages.Ref, chan int) {
	got := make(chan int, 1)
	return kit.Expect(func(message any) bool {
		n, ok := message.(int)
		if ok {
			got <- n
		}
		return ok
	}), got
}

func TestKit_deliversEveryAnswerToItsAddress(t *testing.T) {
	kit := actorkit.New(zap.NewNop(), nil)
	echo := kit.System.Root.Spawn(kit.Props("echo", func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			if to, ok := ctx.Message().(messages.Ref); ok {
				ctx.Send(actorkit.PIDOf(to), "no number, so no answer")
				ctx.Send(actorkit.PIDOf(to), int(to.Request))
				ctx.Send(actorkit.PIDOf(to), -1) // nobody expects a second one
			}
		})
	}))
	var askers sync.WaitGroup
	for range 64 {
		askers.Go(func() {
			for range 100 {
				to, got := expect(kit)
				kit.System.Root.Send(echo, to)
				if n := <-got; n != int(to.Request) {
					t.Errorf("want the answer for %d, got %d", to.Request, n)
				}
				kit.Forget(to)
			}
		})
	}
	askers.Wait()
}

func TestKit_makesAnUnexpectedAnswerADeadLetter(t *testing.T) {
	t.Run("sent as a message", func(t *testing.T) { testDeadLetters(t, answer) })
	t.Run("answered", func(t *testing.T) { testDeadLetters(t, (*actorkit.Kit).Answer) })
}

func TestKit_answersActorsToo(t *testing.T) {
	kit, got := actorkit.New(zap.NewNop(), nil), make(chan any, 1)
	asker := kit.System.Root.Spawn(kit.Props("asker", func() actor.Actor {
		return actor.ReceiveFunc(func(ctx actor.Context) {
			if n, ok := ctx.Message().(int); ok {
				got <- n
			}
		})
	}))
	kit.Answer(actorkit.RefOf(asker), 1)
	if n := <-got; n != 1 {
		t.Errorf("want 1, got %v", n)
	}
}

func testDeadLetters(t *testing.T, answer func(*actorkit.Kit, messages.Ref, any)) {
	t.Helper()
	kit := actorkit.New(zap.NewNop(), nil)
	var dead []any
	kit.System.EventStream.Subscribe(func(event any) {
		if letter, ok := event.(*actor.DeadLetterEvent); ok {
			dead = append(dead, letter.Message)
		}
	})
	answered, got := expect(kit)
	answer(kit, answered, 1)
	answer(kit, answered, 2)
	forgotten, none := expect(kit)
	kit.Forget(forgotten)
	answer(kit, forgotten, 3)
	if n := <-got; n != 1 || len(none) != 0 {
		t.Errorf("want the first answer alone, got %d and %d more", n, len(none))
	}
	if len(dead) != 2 || dead[0] != 2 || dead[1] != 3 {
		t.Errorf("want 2 and 3 as dead letters, got %v", dead)
	}
}
