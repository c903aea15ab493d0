package kv

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/journal"
	"butler/messages"
)

func TestLanding_postsOneMessageForAllThatTheActorHasNotComeTo(t *testing.T) {
	var posted []any
	l := &landing{post: func(message any) { posted = append(posted, message) }}
	for n := range uint64(3) {
		l.report(n+1, nil)
	}
	if len(posted) != 1 || l.read() != 3 {
		t.Fatalf("want one message that finds flight 3, got %d and %d", len(posted), l.read())
	}
	l.report(4, nil)
	if len(posted) != 2 || l.read() != 4 {
		t.Errorf("want another message after the first was answered, got %d and %d", len(posted), l.read())
	}
}

func TestLanding_leavesOutWhatIsBehindAFlightThatCannotLand(t *testing.T) {
	var posted []any
	l := &landing{post: func(message any) { posted = append(posted, message) }}
	l.report(1, nil)
	l.report(2, journal.ErrTooLarge)
	l.report(3, nil)
	if len(posted) != 2 || !errors.Is(posted[1].(landed).err, journal.ErrTooLarge) || l.read() != 1 {
		t.Errorf("want flight 1 and why 2 cannot be, got %v and %d", posted, l.read())
	}
}

func TestLanding_saysNothingOfALedgerThatIsClosed(t *testing.T) {
	l := &landing{post: func(message any) { t.Errorf("want no message, got %v", message) }}
	l.report(1, journal.ErrClosed)
	if l.read() != 0 {
		t.Errorf("want no flight, got %d", l.read())
	}
}

// One message may stand for many flights: each is landed, in order.
func TestMachine_landsAllFlightsAtOnce(t *testing.T) {
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
	if diff := cmp.Diff([]string{"a", "b", "c"}, got); diff != "" || len(m.flights) != 0 || m.held != 0 {
		t.Errorf("answers (-want +got):\n%s%d flights left", diff, len(m.flights))
	}
}
