package executions

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"butler/internal/outbox"
	"butler/messages"
)

// decided is the end of what an arrival has begun, remembered for ten minutes.
func (n *night) decided(key messages.ExecutionKey, after time.Duration, event messages.EventsArrived) {
	n.t.Helper()
	n.want("the first event", n.at(after, event), "decide "+event.Events[0].Event.Family.String())
	seen := messages.Seen{Kinds: 5, Until: n.began.Add(after + 10*time.Minute), Seq: event.Events[0].At.Seq}.WithFamily(event.Events[0].Event.Family)
	n.want("its decision", n.at(after, recorded{[]decision{{&event.Events[0], n.machine.entry(key), seen}}}), "tell")
}

// holds fails unless so many executions are busy, and so many remembered.
func (n *night) holds(what string, busy, remembered int) {
	n.t.Helper()
	if got := n.machine.known.Len(); got != busy || n.machine.remembered.len() != remembered {
		n.t.Fatalf("%s: want %d executions to be busy and %d remembered, got %d and %d", what, busy, remembered, got, n.machine.remembered.len())
	}
}

func TestMachine_keepsOfADecidedExecutionWhatWasSeenAndNothingElse(t *testing.T) {
	n := newNight(t)
	n.decided("a", time.Second, arrives("a", 1, messages.FamilyFailed, false))
	n.holds("decided", 0, 1)

	n.want("a repetition", n.at(2*time.Second, arrives("a", 2, messages.FamilyFailed, false)), "tell")
	n.holds("repeated", 0, 1)

	n.want("another event", n.at(3*time.Second, arrives("a", 3, messages.FamilySucceeded, false)), "decide succeeded")
	n.holds("busy again", 1, 0)
	want := messages.Seen{Kinds: 5, Until: n.began.Add(time.Second + 10*time.Minute), Seq: 1}.WithFamily(messages.FamilyFailed)
	got := n.machine.entry("a").seen
	if !got.Until.Equal(want.Until) || got.Seq != want.Seq || got.Families != want.Families || got.Kinds != want.Kinds {
		t.Errorf("want %+v, got %+v", want, got)
	}
}

func TestMachine_remembersForTheTimeThatWasSaidAndUntilItsRecordCannotComeAgain(t *testing.T) {
	n := newNight(t)
	n.decided("a", 0, arrives("a", 7, messages.FamilyFailed, false))
	for _, row := range []struct {
		what  string
		after time.Duration
		floor uint64
		left  int
	}{
		{"its time is not over", 10*time.Minute - 1, 8, 1},
		{"its record may come again", 10 * time.Minute, 7, 1},
		{"it is over", 10 * time.Minute, 8, 0},
	} {
		effects := slices.Clone(n.machine.handle(n.began.Add(row.after), sweep{row.floor}))
		n.holds(row.what, 0, row.left)
		deleted := strings.Contains(fmt.Sprintf("%+v", effects), "Bucket:seen Key:a")
		if deleted != (row.left == 0) {
			t.Errorf("%s: it is deleted from the ledger: %v", row.what, deleted)
		}
	}
}

// A trial that a process left behind ends with the execution, which is not kept for it.
// Its event may come late, when the log cannot be read at first.
func TestMachine_keepsATrialUntilItsEventMustHaveCome(t *testing.T) {
	n := newNight(t)
	m := &memories{trials: map[messages.ExecutionKey]outbox.Trial{"a": {Crashes: 2}}}
	n.machine, _ = newMachine(n.began, m, blameNobody, limits{polls: 1, found: 7})
	n.machine.handle(n.began.Add(time.Hour), sweep{7})
	n.holds("while its event may come", 1, 0)
	n.machine.handle(n.began.Add(2*time.Hour), sweep{8})
	n.holds("when all have come", 0, 0)
}

func TestMachine_forgetsATrialThatWasLeftBehind(t *testing.T) {
	n := newNight(t)
	m := &memories{
		seen:   map[messages.ExecutionKey]messages.Seen{"a": {Families: 1, Until: n.began.Add(time.Minute), Seq: 3}, "b": {Families: 1, Until: n.began.Add(time.Hour), Seq: 4}},
		trials: map[messages.ExecutionKey]outbox.Trial{"a": {Crashes: 2}},
	}
	n.machine, _ = newMachine(n.began, m, blameNobody, limits{polls: 1})
	n.holds("at the start", 1, 1)
	n.machine.handle(n.began.Add(30*time.Second), sweep{5})
	n.holds("while it may come again", 1, 1)
	effects := n.machine.handle(n.began.Add(time.Minute), sweep{5})
	n.holds("when it is over", 0, 1)
	var deleted []string
	for _, one := range effects {
		if c, ok := one.(commit); ok {
			for _, op := range c.ops {
				deleted = append(deleted, string(op.Bucket)+" "+op.Key)
			}
		}
	}
	slices.Sort(deleted)
	if want := []string{string(outbox.BucketSeen) + " a", string(outbox.BucketTrial) + " a"}; !slices.Equal(deleted, want) {
		t.Errorf("want %v to be deleted, got %v", want, deleted)
	}
}

// A record may come again after a crash, however late; that of a new event is another one.
func TestMachine_aRecordThatContributedIsARepetitionHoweverLate(t *testing.T) {
	for name, row := range map[string]struct {
		after time.Duration
		seq   uint64
		want  string
	}{
		"the same record, in time":      {time.Minute, 7, "tell"},
		"another record, in time":       {time.Minute, 8, "tell"},
		"the same record, a day later":  {24 * time.Hour, 7, "tell"},
		"an older record, a day later":  {24 * time.Hour, 6, "tell"},
		"another record, a day later":   {24 * time.Hour, 8, "decide failed"},
		"another record, when it's due": {10 * time.Minute, 8, "decide failed"},
	} {
		n := newNight(t)
		n.decided("a", 0, arrives("a", 7, messages.FamilyFailed, false))
		n.want(name, n.at(row.after, arrives("a", row.seq, messages.FamilyFailed, false)), row.want)
	}
}

func TestMachine_endsEveryExecutionThatIsRecordedWithOneThatGoesOn(t *testing.T) {
	n := newNight(t)
	first, second := arrives("a", 1, messages.FamilyFailed, false), arrives("b", 2, messages.FamilyFailed, false)
	n.want("one event", n.at(0, first), "decide failed")
	n.want("that of another execution", n.at(0, second), "decide failed")
	n.want("a second one", n.at(0, arrives("a", 3, messages.FamilySucceeded, false)))
	seen := messages.Seen{Until: n.began.Add(time.Hour), Seq: 2}.WithFamily(messages.FamilyFailed)
	n.want("both decisions", n.at(0, recorded{[]decision{
		{&first.Events[0], n.machine.entry("a"), seen}, {&second.Events[0], n.machine.entry("b"), seen},
	}}), "tell", "spawn a", "observe succeeded", "tell")
	n.holds("when both are recorded", 1, 1)
}
