package kv

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/journal"
	"butler/messages"
)

func TestDurability_postsOneMessageForAllThatTheActorHasNotComeTo(t *testing.T) {
	var posted []any
	d := &durability{post: func(message any) { posted = append(posted, message) }}
	for n := range uint64(3) {
		d.report(n+1, nil)
	}
	if len(posted) != 1 || d.read() != 3 {
		t.Fatalf("want one message that finds batch 3, got %d and %d", len(posted), d.read())
	}
	d.report(4, nil)
	if len(posted) != 2 || d.read() != 4 {
		t.Errorf("want another message after the first was answered, got %d and %d", len(posted), d.read())
	}
}

func TestDurability_leavesOutWhatIsBehindABatchThatFailed(t *testing.T) {
	var posted []any
	d := &durability{post: func(message any) { posted = append(posted, message) }}
	d.report(1, nil)
	d.report(2, journal.ErrTooLarge)
	d.report(3, nil)
	if len(posted) != 2 || !errors.Is(posted[1].(persisted).err, journal.ErrTooLarge) || d.read() != 1 {
		t.Errorf("want batch 1 and why 2 failed, got %v and %d", posted, d.read())
	}
}

func TestDurability_saysNothingOfALedgerThatIsClosed(t *testing.T) {
	d := &durability{post: func(message any) { t.Errorf("want no message, got %v", message) }}
	d.report(1, journal.ErrClosed)
	if d.read() != 0 {
		t.Errorf("want no batch, got %d", d.read())
	}
}

// One message may stand for many batches: each is completed, in order.
func TestMachine_completesAllBatchesAtOnce(t *testing.T) {
	m := newMachine(1, "etl", Limits{}.withDefaults(0), &account{budget: &budget{limit: 1 << 20}}, &account{budget: &budget{limit: 1 << 20}})
	for _, key := range []string{"a", "b", "c"} {
		m.handle(start, messages.PutValue{Namespace: "etl", Key: key, Value: "1", ReplyTo: messages.Ref{ID: key}})
	}
	var got []string
	for _, one := range m.handle(start, committed{3}) {
		if answered, ok := one.(reply); ok {
			got = append(got, answered.to.ID)
		}
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, got); diff != "" || len(m.pending) != 0 || m.waiting != 0 {
		t.Errorf("answers (-want +got):\n%s%d batches left", diff, len(m.pending))
	}
}
