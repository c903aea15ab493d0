package notify

import (
	"fmt"
	"testing"
	"time"

	"butler/internal/destination"
	"butler/internal/journal"
	"butler/internal/outbox"
	"butler/internal/outbox/outboxtest"
	"butler/internal/ratelimit"
	"butler/messages"
)

// largest notes how many changes the largest commit made.
type largest struct {
	*outboxtest.Ledger
	changes int
}

func (l *largest) Commit(ops []journal.Op, done func(error)) {
	l.changes = max(l.changes, len(ops))
	l.Ledger.Commit(ops, done)
}

// A commit that is too large for the journal would change nothing, at no scan.
func TestParkUnconfigured_forgetsManyWindowsInSeveralCommits(t *testing.T) {
	ledger := &largest{Ledger: &outboxtest.Ledger{}}
	o, err := outbox.Open(ledger, outbox.Options{})
	must(t, err)
	const many = 5 * parkAtOnce / 2
	for i := range many {
		o.Settle(outbox.Place{Instance: "slack/gone"}, outbox.Settlement{
			Windows: map[string]ratelimit.Window{fmt.Sprint(i): {}},
		}, func([]messages.NoticeSettled, error) {})
	}
	_, err = parkUnconfigured(o, new(known).unless, time.Now(), func(messages.NoticeSettled) {})
	if left := ledger.Len("window"); err != nil || left > 0 || ledger.changes > parkAtOnce {
		t.Errorf("%d windows are left, and a commit made %d changes (%v); want none, and %d at most", left, ledger.changes, err, parkAtOnce)
	}
}

// The instance is configured again while the first commit is made.
func TestParkUnconfigured_leavesTheRestOfAnInstanceThatIsConfiguredAgain(t *testing.T) {
	ledger := &largest{Ledger: &outboxtest.Ledger{}}
	o, err := outbox.Open(ledger, outbox.Options{})
	must(t, err)
	d := outbox.Decision{Alert: &messages.Alert{ID: "a"}}
	for i := range 3 * parkAtOnce {
		d.Notices = append(d.Notices, messages.NoticeHead{ID: messages.NoticeID(fmt.Sprint(i)), Instance: "slack/back"})
	}
	o.Record(d, nil, func(error) {})
	var configured known
	unless := func(instance string, do func()) bool {
		if ledger.Len("parked") > 0 {
			configured.set(map[string]destination.Built{instance: {}})
		}
		return configured.unless(instance, func() {
			do()
			if configured.mu.TryLock() {
				t.Error("a configuration can come into force while notices are parked")
			}
		})
	}
	parked, err := parkUnconfigured(o, unless, time.Now(), func(messages.NoticeSettled) {})
	if waiting := o.Waiting(); err != nil || waiting != 2*parkAtOnce || parked["slack/back"] != parkAtOnce {
		t.Errorf("%d wait and %v are parked (%v), want %d and %d", waiting, parked, err, 2*parkAtOnce, parkAtOnce)
	}
}
