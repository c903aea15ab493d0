package executions

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/google/go-cmp/cmp"

	"butler/internal/actorkit"
	"butler/internal/fastpath"
	"butler/internal/journal"
	"butler/internal/journal/memory"
	"butler/internal/outbox"
	"butler/messages"
)

// night is a machine and what it wants, in words.
type night struct {
	t       *testing.T
	machine *machine
	began   time.Time
	first   []string
}

// newNight returns a machine that goes on with the followed executions, of which
// one is looked at every second, two at a time.
func newNight(t *testing.T, followed ...messages.ExecutionKey) *night {
	n := &night{t: t, began: time.Date(2026, 5, 6, 14, 23, 45, 0, time.UTC)}
	drawn := time.Duration(0)
	var first []effect
	n.machine, first = newMachine(n.began, &memories{followed: followed}, blameNobody, limits{polls: 2, spread: func() time.Duration {
		drawn += time.Second
		return drawn
	}})
	n.first = words(first)
	return n
}

// at gives the machine an input, so long after the beginning.
func (n *night) at(after time.Duration, input any) []string {
	return words(n.machine.handle(n.began.Add(after), input))
}

func words(effects []effect) []string {
	var out []string
	for _, one := range effects {
		switch do := one.(type) {
		case spawn:
			out = append(out, fmt.Sprint("spawn ", do.key))
		case end:
			out = append(out, fmt.Sprint("end ", do.key))
		case resume:
			word := fmt.Sprintf("resume %s from %q", do.Key, do.Snapshot)
			if do.Due {
				word += ", which is due"
			}
			if do.Bare {
				word += ", bare"
			}
			out = append(out, word)
		case observe:
			out = append(out, fmt.Sprint("observe ", do.event.Event.Family))
		case decide:
			out = append(out, fmt.Sprint("decide ", do.event.Event.Family))
		case acknowledge:
			out = append(out, "tell")
		case commit:
			out = append(out, strings.TrimSpace(fmt.Sprint("commit ", do.then)))
		case giveUp:
			out = append(out, fmt.Sprint("give up ", do.key))
		}
	}
	return out
}

func (n *night) want(what string, got []string, want ...string) {
	n.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		n.t.Errorf("%s: %s", what, diff)
	}
}

// nap is an offer to sleep for so long, by an actor that was told of so many events.
func (n *night) nap(key messages.ExecutionKey, at, until, giveUp time.Duration, observed int) messages.ExecutionAsleep {
	return messages.ExecutionAsleep{
		Key: key, Observed: observed, At: n.began.Add(at), Poll: n.began.Add(until), GiveUp: n.began.Add(giveUp), Tasks: 1, Snapshot: []byte("dream"),
	}
}

func arrives(key messages.ExecutionKey, seq uint64, family messages.Family, again bool) messages.EventsArrived {
	return messages.EventsArrived{Again: again, Events: []messages.PlacedEvent{{
		At: messages.EventPosition{Seq: seq}, Key: key, Event: messages.TaskEvent{Family: family, ExecutionID: string(key)},
	}}}
}

// follow lets an execution begin, and fall asleep after a second until the poll.
func (n *night) follow(key messages.ExecutionKey, poll, giveUp time.Duration) {
	n.t.Helper()
	n.at(0, arrives(key, 1, messages.FamilyDistribute, false))
	n.at(0, ruled{fastpath.Ruling{Key: key}})
	seen := messages.Seen{Seq: 1, Until: n.began.Add(time.Hour)}.WithFamily(messages.FamilyDistribute)
	n.at(0, messages.EventHandled{Key: key, At: messages.EventPosition{Seq: 1}, Seen: seen})
	n.want("it falls asleep", n.at(time.Second, n.nap(key, time.Second, poll, giveUp, 1)), "end "+string(key))
}

func (n *night) alarm(what string, want time.Duration) {
	n.t.Helper()
	at, ok := n.machine.sleepers.alarm()
	if got := at.Sub(n.began); !ok || got != want {
		n.t.Errorf("%s: want the timer at %s, got %s, %v", what, want, got, ok)
	}
}

func TestMachine_wakesAnExecutionToPollAndLetsItSleepAgain(t *testing.T) {
	n := newNight(t)
	n.follow("a", 31*time.Second, time.Hour)
	n.alarm("asleep", 31*time.Second)
	n.want("too early", n.at(30*time.Second, wakeDue{}))
	n.want("in time", n.at(31*time.Second, wakeDue{}), "spawn a", `resume a from "dream", which is due`)
	n.want("it sleeps again", n.at(32*time.Second, n.nap("a", 32*time.Second, 62*time.Second, time.Hour, 0)), "end a")
	n.alarm("asleep again", 62*time.Second)
	n.want("its poll", n.at(62*time.Second, wakeDue{}), "spawn a", `resume a from "dream", which is due`)
	n.want("its end", n.at(63*time.Second, messages.ExecutionFinished{Key: "a"}), "end a")
	if _, ok := n.machine.sleepers.alarm(); ok || n.machine.sleepers.tasks != 0 || n.machine.sleepers.taken != 0 {
		t.Errorf("want nobody asleep and nobody polling, got %+v", n.machine.sleepers)
	}
}

func TestMachine_anEventWakesAnExecution(t *testing.T) {
	n := newNight(t)
	n.follow("a", 31*time.Second, time.Hour)
	n.want("a repetition does not", n.at(4*time.Second, arrives("a", 2, messages.FamilyDistribute, false)), "tell")
	n.want("another does", n.at(5*time.Second, arrives("a", 3, messages.FamilySucceeded, false)),
		"spawn a", `resume a from "dream"`, "observe succeeded")
	n.want("what it offered before it knew", n.at(5*time.Second, n.nap("a", 5*time.Second, 31*time.Second, time.Hour, 0)))
	n.want("the timer finds nobody", n.at(31*time.Second, wakeDue{}))
	n.at(40*time.Second, messages.EventHandled{Key: "a", At: messages.EventPosition{Seq: 3}, Seen: n.machine.entry("a").seen.WithFamily(messages.FamilySucceeded)})
	n.want("it sleeps when it has handled the event", n.at(40*time.Second, n.nap("a", 40*time.Second, 50*time.Second, time.Hour, 1)), "end a")
	n.want("an event of an earlier life is a try of its own", n.at(41*time.Second, arrives("a", 1, messages.FamilyFailed, true)), "commit [a]")
	n.want("the timer leaves it alone", n.at(50*time.Second, wakeDue{}))
	n.want("it goes on from the ledger", n.at(51*time.Second, recalled{key: "a", snapshot: []byte("snapshot")}),
		"spawn a", `resume a from "snapshot"`, "observe failed")
}

func TestMachine_afterARestartWakesNotMoreThanThereIsRoomFor(t *testing.T) {
	n := newNight(t, "a", "b", "c", "d")
	n.want("nobody at once", n.first)
	if got := n.machine.sleepers.tasks; got != 4 {
		t.Errorf("want 4 tasks followed, got %d", got)
	}
	n.alarm("the first", time.Second)
	n.want("two of them", n.at(time.Minute, wakeDue{}), "commit [a b]")
	n.want("a begins", n.at(time.Minute, recalled{key: "a", snapshot: []byte("1")}), "spawn a", `resume a from "1", which is due`)
	n.want("b crashes", n.at(time.Minute, recalled{key: "b", snapshot: []byte("2")}), "spawn b", `resume b from "2", which is due`)
	n.want("a place is free", n.at(time.Minute, crashed{"b"}), "commit [b c]")
	n.want("b is not in a hurry any more", n.at(time.Minute, recalled{key: "b", snapshot: []byte("2")}), "spawn b", `resume b from "2"`)
	n.want("b sleeps", n.at(time.Minute, n.nap("b", time.Minute, 2*time.Minute, time.Hour, 0)), "end b")
	n.want("a sleeps, which frees a place", n.at(time.Minute, n.nap("a", time.Minute, 2*time.Minute, time.Hour, 0)), "end a", "commit [d]")
	n.want("those that have no room wait", n.at(3*time.Minute, wakeDue{}))
	n.want("c has ended meanwhile", n.at(3*time.Minute, recalled{key: "c"}), "commit []", "spawn b", `resume b from "dream", which is due`)
}

func TestMachine_whatIsToBeGivenUpDoesNotWaitForRoom(t *testing.T) {
	n := newNight(t)
	for _, key := range []messages.ExecutionKey{"a", "b", "c"} {
		n.follow(key, 31*time.Second, 40*time.Second)
	}
	if got := n.at(31*time.Second, wakeDue{}); len(got) != 4 {
		t.Fatalf("want two woken, got %q", got)
	}
	n.alarm("the third is not forgotten", 40*time.Second)
	got := n.at(40*time.Second, wakeDue{})
	if len(got) != 2 || !strings.HasPrefix(got[0], "spawn") {
		t.Errorf("want the third woken, got %q", got)
	}
}

func TestMachine_aNapIsNoProofOfHealth(t *testing.T) {
	n := newNight(t, "a")
	n.at(time.Second, wakeDue{})
	for at := 2 * time.Second; at < trialFor; at += time.Minute {
		n.at(at, recalled{key: "a", snapshot: []byte("snapshot")})
		n.at(at, n.nap("a", at, at+30*time.Second, time.Hour, 0))
		n.at(at+30*time.Second, wakeDue{})
		n.at(at+31*time.Second, crashed{"a"})
	}
	if got := n.machine.entry("a").crashes; got != 5 {
		t.Errorf("want every crash counted, got %d", got)
	}
	n.at(trialFor, recalled{key: "a", snapshot: []byte("snapshot")})
	n.at(trialFor, n.nap("a", trialFor, trialFor+30*time.Second, time.Hour, 0))
	n.at(trialFor+30*time.Second, wakeDue{}) // which does not begin a new life
	n.at(trialFor+31*time.Second, n.nap("a", trialFor+31*time.Second, time.Hour, 2*time.Hour, 0))
	n.want("a long life is", n.at(2*trialFor, sweep{}), "commit []")
	if got := n.machine.entry("a").crashes; got != 0 {
		t.Errorf("want its crashes forgotten, got %d", got)
	}
}

func TestMachine_wakesThoseOfACrowdTogether(t *testing.T) {
	n := newNight(t)
	n.follow("a", 31*time.Second, time.Hour)
	n.follow("b", 31*time.Second+time.Millisecond, time.Hour)
	n.at(31*time.Second, wakeDue{})
	n.alarm("the second waits for a moment", 31*time.Second+wakeEvery)
}

// A nap of scripted actors, on the way of the service.
func TestExecutions_sleepBetweenTwoLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, memory.New())
		f.handle = func(ctx actor.Context, e messages.TaskEventObserved) {
			ctx.Send(ctx.Parent(), messages.EventHandled{Key: e.Key, At: e.At, Seen: e.Seen.WithFamily(e.Event.Family)})
			ctx.Send(ctx.Parent(), nap(e.Key, 1, 30*time.Second))
		}
		f.resume = func(ctx actor.Context, r messages.ResumeExecution) {
			if len(f.resumed) == 1 {
				actorkit.Fail(errors.New("on purpose"))
			}
			ctx.Send(ctx.Parent(), nap(r.Key, 0, 30*time.Second))
		}
		f.start()
		f.ledger.Commit([]journal.Op{{Bucket: outbox.BucketState, Key: "a", Value: []byte("snapshot")}}, func(error) {})
		began := time.Now()
		f.append(messages.TaskEvent{Family: messages.FamilyDistribute, ExecutionID: "a"})
		if got := f.asleep.Load(); got != 1 {
			t.Errorf("want one task followed by a sleeper, got %d", got)
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		var got []string
		for _, r := range f.resumed {
			got = append(got, fmt.Sprintf("%s due %t after a nap %t", r.Snapshot, r.Due, r.Slept.Equal(began) || r.Slept.Equal(began.Add(30*time.Second))))
		}
		want := []string{"dream due true after a nap true", "snapshot due false after a nap false", "dream due true after a nap true"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		f.stop()
		if got := f.asleep.Load(); got != 0 {
			t.Errorf("want nobody counted after the end, got %d", got)
		}
	})
}

func nap(key messages.ExecutionKey, observed int, after time.Duration) messages.ExecutionAsleep {
	now := time.Now()
	return messages.ExecutionAsleep{
		Key: key, Observed: observed, At: now, Poll: now.Add(after), GiveUp: now.Add(time.Hour), Tasks: 1, Snapshot: []byte("dream"),
	}
}

func TestExecutions_afterARestartSleepUntilTheyAreLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := open(t, memory.New())
		f.spread = 20 * time.Second
		f.ledger.Commit([]journal.Op{{Bucket: outbox.BucketState, Key: "d", Value: []byte("snapshot")}}, func(error) {})
		synctest.Wait()
		f.start()
		f.mu.Lock()
		resumed := len(f.resumed)
		f.mu.Unlock()
		if resumed != 0 || f.asleep.Load() != 1 {
			t.Errorf("want one asleep, got %d and %d resumed", f.asleep.Load(), resumed)
		}
		time.Sleep(21 * time.Second)
		synctest.Wait()
		if len(f.resumed) != 1 || string(f.resumed[0].Snapshot) != "snapshot" || !f.resumed[0].Due {
			t.Errorf("want it resumed from the ledger, got %+v", f.resumed)
		}
		f.stop()
	})
}
