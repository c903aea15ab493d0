package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/journal"
	"butler/internal/journal/memory"
	"butler/internal/outbox"
	"butler/internal/outbox/outboxtest"
	"butler/internal/ratelimit"
	"butler/messages"
)

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

var (
	email = outbox.Place{Integration: "email", Instance: "email/reload_task_failed"}
	slack = outbox.Place{Integration: "slack", Instance: "slack/reload_task_failed"}
)

// decision is an alert with a notice by email, with the script log, and one to Slack.
func decision() outbox.Decision {
	alert := &messages.Alert{
		ID: "alert1", Kind: messages.ReloadTaskFailed, Key: "exec1",
		Event:     messages.TaskEvent{TaskID: "task1", TaskName: "Reload of Sales", ExecutionID: "exec1"},
		ScriptLog: messages.ScriptLog{Tail: []string{strings.Repeat("too long to stay in memory ", 40)}},
	}
	return outbox.Decision{Alert: alert, Attachment: "the whole log", Notices: []messages.NoticeHead{
		{ID: "n1", Instance: email.Instance, Recipient: "anna@example.com", SuppressBy: "task1|anna@example.com", Attached: true, QueuedAt: noon, Expires: noon.Add(time.Hour)},
		{ID: "n2", Instance: slack.Instance, SuppressBy: "task1|", QueuedAt: noon},
	}}
}

func open(t *testing.T, l outbox.Ledger) *outbox.Outbox {
	t.Helper()
	o, err := outbox.Open(l, outbox.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// notice reads a waiting notice.
func notice(o *outbox.Outbox, instance string, id messages.NoticeID) (messages.Notice, error) {
	var n messages.Notice
	err := o.Read(instance, id, &n)
	return n, err
}

// recorded returns an outbox in which the decision is durable.
func recorded(t *testing.T) (*outboxtest.Ledger, *outbox.Outbox) {
	t.Helper()
	ledger := &outboxtest.Ledger{}
	o := open(t, ledger)
	o.Record(decision(), nil, func(error) {})
	return ledger, o
}

func delivered(id messages.NoticeID) outbox.Settlement {
	return outbox.Settlement{At: noon, Outcomes: []outbox.Outcome{{ID: id, Ended: messages.NoticeDelivered, Attempts: 1}}}
}

func parked(id messages.NoticeID) outbox.Settlement {
	return outbox.Settlement{At: noon.Add(time.Hour), Outcomes: []outbox.Outcome{{
		ID: id, Ended: messages.NoticeParked, Attempts: 7, Cause: outbox.Rejected, Reason: "550 no such user",
	}}}
}

func ignore([]messages.NoticeSettled, error) {}

// size counts the entries of every bucket of the outbox.
func size(l outbox.Ledger) map[journal.Bucket]int {
	sizes := map[journal.Bucket]int{}
	for _, bucket := range []journal.Bucket{"alert", "told", "attachment", "notice", "parked", "window"} {
		if n := l.Len(bucket); n > 0 {
			sizes[bucket] = n
		}
	}
	return sizes
}

func TestOutbox_returnsRecordedNotices(t *testing.T) {
	ledger, _ := recorded(t)
	recorded := decision()
	o := open(t, ledger.Crash())
	for i, attachment := range []string{"the whole log", ""} {
		head := recorded.Notices[i]
		got, err := notice(o, head.Instance, head.ID)
		if err != nil {
			t.Fatal(err)
		}
		want := messages.Notice{NoticeHead: head, Alert: *recorded.Alert, Attachment: attachment}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("notice %s differs (-want +got):\n%s", head.ID, diff)
		}
	}
	backlog, err := o.Load(email.Instance)
	if err != nil || len(backlog.Waiting) != 1 || backlog.Waiting[0].ID != "n1" {
		t.Errorf("backlog of %s is %+v (%v), want n1", email.Instance, backlog, err)
	}
	instances, err := o.Instances()
	if diff := cmp.Diff(map[string]int{email.Instance: 1, slack.Instance: 1}, instances); diff != "" || err != nil {
		t.Errorf("instances differ (%v) (-want +got):\n%s", err, diff)
	}
}

func TestRecord_ofAnAlertWithoutNoticesStoresOnlyTheOtherChanges(t *testing.T) {
	ledger := &outboxtest.Ledger{}
	o := open(t, ledger)
	nobody := decision()
	nobody.Notices = nil
	durable := false
	o.Record(nobody, []journal.Op{{Bucket: outbox.BucketSeen, Key: "exec1", Value: []byte("seen")}}, func(err error) { durable = err == nil })
	if !durable || len(size(ledger)) > 0 || ledger.Len(outbox.BucketSeen) != 1 {
		t.Errorf("the commit left %v and %d marks (durable: %t), want one mark alone", size(ledger), ledger.Len(outbox.BucketSeen), durable)
	}
}

func TestSettle_removesTheAlertWithItsOnlyNotice(t *testing.T) {
	ledger := &outboxtest.Ledger{}
	o := open(t, ledger)
	one := decision()
	one.Notices = one.Notices[:1]
	o.Record(one, nil, func(error) {})
	if diff := cmp.Diff(map[journal.Bucket]int{"alert": 1, "notice": 1, "attachment": 1}, size(ledger)); diff != "" {
		t.Errorf("one notice waits (-want +got):\n%s", diff)
	}
	o = open(t, ledger) // as after a restart
	o.Settle(email, parked("n1"), ignore)
	if diff := cmp.Diff(map[journal.Bucket]int{"alert": 1, "parked": 1, "attachment": 1}, size(ledger)); diff != "" {
		t.Errorf("it is parked (-want +got):\n%s", diff)
	}
	if _, err := o.Drop(t.Context(), "n1"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[journal.Bucket]int{}, size(ledger)); diff != "" {
		t.Errorf("it was dropped (-want +got):\n%s", diff)
	}
}

func TestSettle_removesTheAlertWithItsLastNotice(t *testing.T) {
	ledger, o := recorded(t)
	var told []messages.NoticeSettled
	o.Settle(email, delivered("n1"), func(ended []messages.NoticeSettled, _ error) { told = ended })
	want := []messages.NoticeSettled{{
		ID: "n1", Alert: "alert1", Kind: messages.ReloadTaskFailed, Key: "exec1", TaskName: "Reload of Sales",
		Instance: email.Instance, Integration: "email", Recipient: "anna@example.com",
		Outcome: messages.NoticeDelivered, Attempts: 1, At: noon,
	}}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("settlement tells (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[journal.Bucket]int{"alert": 1, "told": 1, "attachment": 1, "notice": 1}, size(ledger)); diff != "" {
		t.Errorf("one notice waits (-want +got):\n%s", diff)
	}
	o.Settle(slack, delivered("n2"), ignore)
	if diff := cmp.Diff(map[journal.Bucket]int{}, size(ledger)); diff != "" {
		t.Errorf("nothing waits (-want +got):\n%s", diff)
	}
}

func TestSettle_concurrentlyRemovesTheAlertOnce(t *testing.T) {
	ledger, o := recorded(t)
	ledger.Hold()
	o.Settle(email, delivered("n1"), ignore)
	o.Settle(slack, delivered("n2"), ignore)
	ledger.Resume()
	if diff := cmp.Diff(map[journal.Bucket]int{}, size(ledger)); diff != "" {
		t.Errorf("nothing waits (-want +got):\n%s", diff)
	}
}

func TestSettle_skipsNoticesThatAreAlreadyEnding(t *testing.T) {
	ledger, o := recorded(t)
	ledger.Hold()
	ends := 0
	for range 2 {
		o.Settle(email, parked("n1"), func(ended []messages.NoticeSettled, _ error) { ends += len(ended) })
	}
	ledger.Resume()
	o.Settle(email, parked("n1"), func(ended []messages.NoticeSettled, _ error) { ends += len(ended) })
	if got := o.ParkedCounts()[email]; ends != 1 || got != 1 {
		t.Errorf("notice ended %d times and counts %d times as parked, want once", ends, got)
	}
}

func TestSettle_changesWindowAndNoticeTogether(t *testing.T) {
	ledger, o := recorded(t)
	ledger.Hold()
	s := delivered("n1")
	window := ratelimit.Window{OpenedBy: "n1", Until: noon.Add(time.Minute), Suppressed: 2}
	s.Windows = map[string]ratelimit.Window{"task1|anna@example.com": window}
	o.Settle(email, s, ignore)

	before, err := open(t, ledger.Crash()).Load(email.Instance)
	if err != nil || len(before.Waiting) != 1 || len(before.Windows) != 0 {
		t.Errorf("before the commit the backlog is %+v (%v), want the notice and no window", before, err)
	}

	ledger, o = recorded(t)
	o.Settle(email, s, ignore)
	after, err := open(t, ledger.Crash()).Load(email.Instance)
	if err != nil || len(after.Waiting) != 0 {
		t.Errorf("after the commit the backlog is %+v (%v), want no notice", after, err)
	}
	if diff := cmp.Diff(s.Windows, after.Windows); diff != "" {
		t.Errorf("windows differ (-want +got):\n%s", diff)
	}
	o.Settle(email, outbox.Settlement{Forgotten: []string{"task1|anna@example.com"}}, ignore)
	if n := ledger.Len("window"); n != 0 {
		t.Errorf("%d windows are left after the last was forgotten", n)
	}
}

func TestSettle_storesAttempts(t *testing.T) {
	ledger, o := recorded(t)
	o.Settle(email, outbox.Settlement{Outcomes: []outbox.Outcome{{ID: "n1", Attempts: 5, Panics: 2}}}, ignore)
	backlog, err := open(t, ledger.Crash()).Load(email.Instance)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]outbox.Waiting{{NoticeHead: decision().Notices[0], Attempts: 5, Panics: 2}}, backlog.Waiting); diff != "" {
		t.Errorf("backlog differs (-want +got):\n%s", diff)
	}
}

func TestParked_isListedWithItsReason(t *testing.T) {
	ledger, o := recorded(t)
	o.Settle(email, parked("n1"), ignore)
	o.Settle(slack, delivered("n2"), ignore)

	o = open(t, ledger.Crash())
	want := []outbox.Parked{{
		ID: "n1", Alert: "alert1", Kind: messages.ReloadTaskFailed, Key: "exec1", TaskName: "Reload of Sales",
		Instance: email.Instance, Integration: "email", Recipient: "anna@example.com",
		Cause: outbox.Rejected, Reason: "550 no such user", Attempts: 7, QueuedAt: noon, ParkedAt: noon.Add(time.Hour),
	}}
	for name, f := range map[string]outbox.ParkedFilter{
		"all": {}, "by instance": {Destination: email.Instance}, "by destination": {Destination: email.Integration}, "by execution": {Key: "exec1"}, "by cause": {Cause: outbox.Rejected},
	} {
		got, err := o.Parked(f)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: list differs (%v) (-want +got):\n%s", name, err, diff)
		}
	}
	if got, err := o.Parked(outbox.ParkedFilter{Destination: slack.Instance}); err != nil || len(got) != 0 {
		t.Errorf("list of another instance is %v (%v), want nothing", got, err)
	}
	if diff := cmp.Diff(map[outbox.Place]int{email: 1}, o.ParkedCounts()); diff != "" {
		t.Errorf("counts differ (-want +got):\n%s", diff)
	}
}

// If an event is received again, its notices have the same IDs.
func TestParked_countsANoticeThatIsParkedAgainOnce(t *testing.T) {
	ledger, o := recorded(t)
	count := func(when string, want int) {
		t.Helper()
		if got := o.ParkedCounts()[email]; got != want {
			t.Errorf("%s: %d are counted, want %d", when, got, want)
		}
	}
	o.Settle(email, parked("n1"), ignore)
	o.Record(decision(), nil, ignoreError)
	o.Settle(email, parked("n1"), ignore)
	count("parked twice", 1)

	o.Record(decision(), nil, ignoreError)
	ledger.Hold()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := o.Drop(gone, "n1"); !errors.Is(err, context.Canceled) {
		t.Fatalf("drop answers %v, want context.Canceled", err)
	}
	o.Settle(email, parked("n1"), ignore)
	ledger.Resume()
	count("parked while the first is dropped", ledger.Len("parked"))

	if _, err := o.Drop(t.Context(), "n1"); err != nil {
		t.Fatal(err)
	}
	count("dropped", 0)
}

func TestParked_keepsItsAlertWhenTheEventIsReceivedAgain(t *testing.T) {
	ledger, o := recorded(t)
	o.Settle(email, parked("n1"), ignore)
	o.Settle(slack, delivered("n2"), ignore)
	o.Record(decision(), nil, ignoreError)
	o.Settle(email, delivered("n1"), ignore)
	o.Settle(slack, delivered("n2"), ignore)
	if err := o.Replay(t.Context(), "n1", noon, func(messages.NoticeHead) {}); err != nil {
		t.Fatalf("what was parked the first time cannot be sent again: %v", err)
	}
	o.Settle(email, delivered("n1"), ignore)
	if left := size(ledger); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// told returns decision with the given notices, all to Slack.
func told(ids ...messages.NoticeID) outbox.Decision {
	d := decision()
	d.Notices = nil
	for _, id := range ids {
		d.Notices = append(d.Notices, messages.NoticeHead{ID: id, Instance: slack.Instance, QueuedAt: noon})
	}
	return d
}

// sendable checks that, after a restart, notices to Slack wait and their alert exists.
func sendable(t *testing.T, l outbox.Ledger, ids ...messages.NoticeID) {
	t.Helper()
	o := open(t, l)
	for _, id := range ids {
		if _, err := notice(o, slack.Instance, id); err != nil {
			t.Errorf("a notice lost what it was to tell: %v", err)
		}
	}
}

// settled delivers notices to Slack, and checks that the last one removes all entries.
func settled(t *testing.T, o *outbox.Outbox, l outbox.Ledger, ids ...messages.NoticeID) {
	t.Helper()
	for _, id := range ids {
		o.Settle(slack, delivered(id), ignore)
	}
	if left := size(l); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// The alert is recorded again while the removal of its last notice is not durable.
func TestRecord_keepsTheAlertWhenAnEarlierNoticeIsRemovedMeanwhile(t *testing.T) {
	for _, first := range [][]messages.NoticeID{{"n2"}, {"n1", "n2"}} {
		t.Run(fmt.Sprintf("%d delivered", len(first)), func(t *testing.T) {
			ledger := &outboxtest.Ledger{}
			o := open(t, ledger)
			o.Record(told(first...), nil, ignoreError)
			if len(first) > 1 {
				o.Settle(slack, delivered("n1"), ignore)
			}
			ledger.Hold()
			o.Record(told("n1", "n2"), nil, ignoreError)
			o.Settle(slack, delivered("n2"), ignore)
			ledger.Resume()
			sendable(t, ledger, "n1")
			settled(t, o, ledger, "n1")
		})
	}
	t.Run("dropped", func(t *testing.T) {
		ledger := &outboxtest.Ledger{}
		o := open(t, ledger)
		o.Record(told("n2"), nil, ignoreError)
		o.Settle(slack, parked("n2"), ignore)
		ledger.Hold()
		o.Record(told("n1", "n2"), nil, ignoreError)
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := o.Drop(gone, "n2"); !errors.Is(err, context.Canceled) {
			t.Errorf("drop answers %v, want context.Canceled", err)
		}
		ledger.Resume()
		sendable(t, ledger, "n1", "n2")
		settled(t, o, ledger, "n1", "n2")
	})
}

// leaving is a ledger that calls before in front of each commit that removes an alert.
type leaving struct {
	*outboxtest.Ledger
	before func()
}

func (l *leaving) Commit(ops []journal.Op, done func(error)) {
	for _, op := range ops {
		if op.Bucket == "alert" && op.Value == nil {
			l.before()
		}
	}
	l.Ledger.Commit(ops, done)
}

func TestRecord_isNotInterleavedWithTheRemovalOfTheAlert(t *testing.T) {
	ledger := &leaving{Ledger: &outboxtest.Ledger{}}
	o := open(t, ledger)
	again := func() { o.Record(told("n1", "n2"), nil, ignoreError) }
	waits := false
	ledger.before = func() {
		if waits = o.Leaving(); !waits {
			again()
		}
	}
	o.Record(told("n2"), nil, ignoreError)
	o.Settle(slack, delivered("n2"), ignore)
	if waits {
		again()
	}
	sendable(t, ledger, "n1")
	settled(t, o, ledger, "n1", "n2")
}

// One of several notices is removed while its alert is recorded again. The alert must not
// be kept for it.
func TestRecord_releasesANoticeThatIsRemovedMeanwhile(t *testing.T) {
	ledger := &outboxtest.Ledger{}
	o := open(t, ledger)
	o.Record(told("n1", "n2", "n3"), nil, ignoreError)
	o.Settle(slack, delivered("n1"), ignore)
	ledger.Hold()
	o.Record(told("n1", "n2", "n3"), nil, ignoreError)
	o.Settle(slack, delivered("n2"), ignore)
	ledger.Resume()
	sendable(t, ledger, "n1", "n3")
	settled(t, o, ledger, "n1", "n3")
}

func TestDrop_keepsTheAlertIfTheNoticeAlsoWaits(t *testing.T) {
	ledger := &outboxtest.Ledger{}
	o := open(t, ledger)
	o.Record(told("n1"), nil, ignoreError)
	o.Settle(slack, parked("n1"), ignore)
	o.Record(told("n1"), nil, ignoreError)
	if _, err := o.Drop(t.Context(), "n1"); err != nil {
		t.Fatal(err)
	}
	sendable(t, ledger, "n1")
	settled(t, o, ledger, "n1")
}

// The event of a parked notice was received again, so that the notice also waits, and both
// end at the same time.
func TestOutbox_aNoticeThatIsParkedAndWaitsIsReleasedOnce(t *testing.T) {
	settle := func(s outbox.Settlement) func(context.Context, *outbox.Outbox) {
		return func(_ context.Context, o *outbox.Outbox) { o.Settle(slack, s, ignore) }
	}
	deliver, park := settle(delivered("n1")), settle(parked("n1"))
	drop := func(ctx context.Context, o *outbox.Outbox) { _, _ = o.Drop(ctx, "n1") }
	replay := func(ctx context.Context, o *outbox.Outbox) {
		_ = o.Replay(ctx, "n1", noon, func(messages.NoticeHead) {})
	}
	nothing := map[journal.Bucket]int{}
	for name, row := range map[string]struct {
		first, second func(context.Context, *outbox.Outbox)
		want          map[journal.Bucket]int
	}{
		"delivered and dropped":  {deliver, drop, nothing},
		"dropped and delivered":  {drop, deliver, nothing},
		"parked and dropped":     {park, drop, nothing},
		"dropped and parked":     {drop, park, map[journal.Bucket]int{"alert": 1, "parked": 1}},
		"delivered and replayed": {deliver, replay, map[journal.Bucket]int{"alert": 1, "notice": 1}},
		"replayed and delivered": {replay, deliver, nothing},
	} {
		t.Run(name, func(t *testing.T) {
			ledger := &outboxtest.Ledger{}
			o := open(t, ledger)
			o.Record(told("n1"), nil, ignoreError)
			o.Settle(slack, parked("n1"), ignore)
			o.Record(told("n1"), nil, ignoreError)
			unawaited, cancel := context.WithCancel(t.Context())
			cancel()
			ledger.Hold()
			row.first(unawaited, o)
			row.second(unawaited, o)
			ledger.Resume()
			if diff := cmp.Diff(row.want, size(ledger)); diff != "" {
				t.Errorf("what is left (-want +got):\n%s", diff)
			}
			if got := o.ParkedCounts()[slack]; got != row.want["parked"] {
				t.Errorf("%d count as parked, want %d", got, row.want["parked"])
			}
		})
	}
}

// An alert that is recorded again may have other notices: a route has changed, or the
// repository has answered in the meantime. The earlier notices still wait or are parked.
func TestRecord_keepsTheAlertForItsEarlierNotices(t *testing.T) {
	rows := []struct {
		name          string
		first, second []messages.NoticeID
	}{
		{"some and others", []messages.NoticeID{"n1", "n2"}, []messages.NoticeID{"n3", "n4"}},
		{"some and another", []messages.NoticeID{"n1", "n2"}, []messages.NoticeID{"n3"}},
		{"some and more", []messages.NoticeID{"n1", "n2"}, []messages.NoticeID{"n2", "n3"}},
		{"one and the same with others", []messages.NoticeID{"n1"}, []messages.NoticeID{"n1", "n3"}},
		{"one and the same", []messages.NoticeID{"n1"}, []messages.NoticeID{"n1"}},
		{"one and others", []messages.NoticeID{"n1"}, []messages.NoticeID{"n3", "n4"}},
		{"one and another", []messages.NoticeID{"n1"}, []messages.NoticeID{"n3"}},
	}
	for _, row := range rows {
		for _, how := range []string{"waits", "is parked"} {
			t.Run(row.name+", "+how, func(t *testing.T) {
				ledger := &outboxtest.Ledger{}
				o := open(t, ledger)
				o.Record(told(row.first...), nil, ignoreError)
				if how == "is parked" {
					o.Settle(slack, parked("n1"), ignore)
				}
				o.Record(told(row.second...), nil, ignoreError)
				o = open(t, ledger) // with nothing in memory
				for _, id := range []messages.NoticeID{"n2", "n3", "n4"} {
					o.Settle(slack, delivered(id), ignore)
				}
				if how == "is parked" {
					o.Settle(slack, delivered("n1"), ignore) // it also waits there
					if err := o.Replay(t.Context(), "n1", noon, func(messages.NoticeHead) {}); err != nil {
						t.Fatal(err)
					}
				}
				sendable(t, ledger, "n1")
				o.Settle(slack, delivered("n1"), ignore)
				open(t, ledger) // if the keys of the earlier notices were unknown, the alert is kept until then
				if left := size(ledger); len(left) > 0 {
					t.Errorf("%v is left", left)
				}
			})
		}
	}
}

func TestReplay_resetsTheAttempts(t *testing.T) {
	ledger, o := recorded(t)
	o.Settle(email, parked("n1"), ignore)
	o.Settle(slack, delivered("n2"), ignore)
	o = open(t, ledger.Crash())

	later := noon.Add(48 * time.Hour)
	var announced []messages.NoticeHead
	announce := func(n messages.NoticeHead) { announced = append(announced, n) }
	if err := o.Replay(t.Context(), "n1", later, announce); err != nil {
		t.Fatal(err)
	}
	replayed := decision().Notices[0]
	replayed.QueuedAt, replayed.Exempt, replayed.Expires = later, true, time.Time{}
	if diff := cmp.Diff([]messages.NoticeHead{replayed}, announced); diff != "" {
		t.Errorf("announced notice differs (-want +got):\n%s", diff)
	}
	if err := o.Replay(t.Context(), "n1", later, announce); !errors.Is(err, outbox.ErrNotParked) {
		t.Errorf("second replay answers %v, want ErrNotParked", err)
	}
	backlog, err := o.Load(email.Instance)
	if diff := cmp.Diff([]outbox.Waiting{{NoticeHead: replayed}}, backlog.Waiting); diff != "" || err != nil {
		t.Errorf("backlog differs (%v) (-want +got):\n%s", err, diff)
	}
	if len(o.ParkedCounts()) != 0 {
		t.Errorf("replayed notice still counts as parked: %v", o.ParkedCounts())
	}
}

func TestReplay_announcesEvenAfterItsContextHasEnded(t *testing.T) {
	ledger, o := recorded(t)
	o.Settle(email, parked("n1"), ignore)
	ledger.Hold()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	announced := 0
	if err := o.Replay(ctx, "n1", noon, func(messages.NoticeHead) { announced++ }); !errors.Is(err, context.Canceled) {
		t.Errorf("replay answers %v, want context.Canceled", err)
	}
	ledger.Resume()
	if announced != 1 {
		t.Errorf("notice was announced %d times, want once", announced)
	}
}

func TestDrop_ofANoticeThatIsBeingMovedIsRefused(t *testing.T) {
	ledger, o := recorded(t)
	o.Settle(email, parked("n1"), ignore)
	unawaited, cancel := context.WithCancel(t.Context())
	cancel()
	ledger.Hold()
	_, _ = o.Drop(unawaited, "n1")
	if _, err := o.Drop(unawaited, "n1"); !errors.Is(err, outbox.ErrNotParked) {
		t.Errorf("the second drop answers %v, want ErrNotParked", err)
	}
	if err := o.Replay(unawaited, "n1", noon, func(messages.NoticeHead) {}); !errors.Is(err, outbox.ErrNotParked) {
		t.Errorf("a replay answers %v, want ErrNotParked", err)
	}
	ledger.Resume()
	if got := o.ParkedCounts()[email]; got != 0 {
		t.Errorf("%d count as parked, want none", got)
	}
}

// While the alert of a parked notice is read for a replay, the notice, which also waits
// because its event was received again, is parked again.
func TestReplay_countsANoticeThatIsParkedMeanwhileAsRemoved(t *testing.T) {
	ledger := &slow{Ledger: &outboxtest.Ledger{}, bucket: "alert", during: func() {}}
	o := open(t, ledger)
	o.Record(told("n1"), nil, ignoreError)
	o.Settle(slack, parked("n1"), ignore)
	o.Record(told("n1"), nil, ignoreError)
	o = open(t, ledger) // with an empty cache
	ledger.during = func() { o.Settle(slack, parked("n1"), ignore) }
	if err := o.Replay(t.Context(), "n1", noon, func(messages.NoticeHead) {}); err != nil {
		t.Fatal(err)
	}
	if got, want := o.ParkedCounts()[slack], ledger.Len("parked"); got != want || want != 0 {
		t.Errorf("%d count as parked and %d are, want none", got, want)
	}
}

func TestDrop_removesTheNoticeAndItsAlert(t *testing.T) {
	ledger, o := recorded(t)
	o.Settle(email, parked("n1"), ignore)
	o.Settle(slack, delivered("n2"), ignore)
	if _, err := o.Drop(t.Context(), "n1"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[journal.Bucket]int{}, size(ledger)); diff != "" {
		t.Errorf("nothing is left (-want +got):\n%s", diff)
	}
	if _, err := o.Drop(t.Context(), "n1"); !errors.Is(err, outbox.ErrNotParked) {
		t.Errorf("second drop answers %v, want ErrNotParked", err)
	}
}

func put(l *outboxtest.Ledger, b journal.Bucket, key string, value []byte) {
	l.Commit([]journal.Op{{Bucket: b, Key: key, Value: value}}, func(error) {})
}

func TestLoad_namesNoticesThatCannotBeRead(t *testing.T) {
	ledger, _ := recorded(t)
	put(ledger, "notice", "n1@"+email.Instance, []byte("torn"))
	o := open(t, ledger)
	backlog, err := o.Load(email.Instance)
	if err != nil || len(backlog.Waiting) != 0 || !errors.Is(backlog.Unreadable["n1"], journal.ErrCorrupt) {
		t.Fatalf("backlog is %+v (%v), want n1 unreadable", backlog, err)
	}
	o.Settle(email, outbox.Settlement{Outcomes: []outbox.Outcome{{
		ID: "n1", Ended: messages.NoticeParked, Cause: outbox.Unreadable, Reason: "torn",
	}}}, ignore)

	// It is unchanged and listed, and can be dropped but not replayed.
	list, err := o.Parked(outbox.ParkedFilter{Cause: outbox.Unreadable})
	if err != nil || len(list) != 1 {
		t.Fatalf("list is %v (%v), want n1", list, err)
	}
	if raw, _, _ := ledger.Get("parked", "n1"); !strings.Contains(string(raw), `"raw":"dG9ybg=="`) {
		t.Errorf("parked entry %s does not keep what was found", raw)
	}
	if err := o.Replay(t.Context(), "n1", noon, func(messages.NoticeHead) {}); !errors.Is(err, journal.ErrCorrupt) {
		t.Errorf("replay answers %v, want journal.ErrCorrupt", err)
	}
	if got := o.ParkedCounts()[email]; got != 1 {
		t.Errorf("%d notices count as parked after a refused replay, want 1", got)
	}
	if _, err := o.Drop(t.Context(), "n1"); err != nil {
		t.Errorf("drop answers %v", err)
	}
}

func TestParked_listsEvenAnEntryThatCannotBeRead(t *testing.T) {
	ledger := &outboxtest.Ledger{}
	put(ledger, "parked", "n9", []byte("torn"))
	o := open(t, ledger)
	list, err := o.Parked(outbox.ParkedFilter{})
	if err != nil || len(list) != 1 || list[0].ID != "n9" || list[0].Cause != outbox.Unreadable {
		t.Errorf("list is %+v (%v), want n9 unreadable", list, err)
	}
	if _, err := o.Drop(t.Context(), "n9"); err != nil || ledger.Len("parked") != 0 {
		t.Errorf("drop answers %v and leaves %d entries", err, ledger.Len("parked"))
	}
}

func TestNotice_ofAnAlertThatCannotBeReadIsCorrupt(t *testing.T) {
	for name, raw := range map[string][]byte{"torn": []byte("torn"), "missing": nil} {
		t.Run(name, func(t *testing.T) {
			ledger, _ := recorded(t)
			put(ledger, "alert", "alert1", raw)
			if _, err := notice(open(t, ledger), slack.Instance, "n2"); !errors.Is(err, journal.ErrCorrupt) {
				t.Errorf("notice answers %v, want journal.ErrCorrupt", err)
			}
		})
	}
}

func TestOpen_removesAlertsWithoutNotices(t *testing.T) {
	ledger, _ := recorded(t)
	put(ledger, "notice", "n1@"+email.Instance, nil)
	put(ledger, "notice", "n2@"+slack.Instance, nil)
	open(t, ledger)
	if diff := cmp.Diff(map[journal.Bucket]int{}, size(ledger)); diff != "" {
		t.Errorf("nothing is left (-want +got):\n%s", diff)
	}
}

func TestOpen_keepsAlertsWhileARecordCannotBeRead(t *testing.T) {
	ledger, _ := recorded(t)
	put(ledger, "notice", "n1@"+email.Instance, []byte("torn"))
	put(ledger, "notice", "n2@"+slack.Instance, nil)
	open(t, ledger)
	if ledger.Len("alert") != 1 {
		t.Error("the alert is gone, the unreadable notice may have needed it")
	}
}

// reads is a ledger that counts the alerts and the notices that are read.
type reads struct {
	*outboxtest.Ledger
	alerts, notices int
}

func (r *reads) Get(b journal.Bucket, key string) ([]byte, bool, error) {
	if b == "alert" || b == "attachment" {
		r.alerts++
	}
	return r.Ledger.Get(b, key)
}

func (r *reads) Select(b journal.Bucket, want func(string) bool, visit func(string, []byte) bool) error {
	return r.Ledger.Select(b, want, func(key string, value []byte) bool {
		r.notices++
		return visit(key, value)
	})
}

// slow is a ledger that calls during in each read from a bucket, after it has determined
// the result.
type slow struct {
	*outboxtest.Ledger
	bucket journal.Bucket
	during func()
}

func (s *slow) Get(b journal.Bucket, key string) ([]byte, bool, error) {
	value, ok, err := s.Ledger.Get(b, key)
	if b == s.bucket {
		s.during()
	}
	return value, ok, err
}

// While the notices of an alert are read, the alert is recorded again with a third notice.
func TestSettle_doesNotBlockRecordingDuringReads(t *testing.T) {
	ledger := &slow{Ledger: &outboxtest.Ledger{}, bucket: "told"}
	o := open(t, ledger)
	again := decision()
	again.Notices = append(again.Notices, messages.NoticeHead{ID: "n3", Instance: "teams", QueuedAt: noon})
	reads := 0
	ledger.during = func() {
		if reads++; reads > 1 {
			return
		}
		if o.Locked() {
			t.Error("every record waits for this read")
			return
		}
		again.Notices = again.Notices[1:] // the first one is being removed
		o.Record(again, nil, ignoreError)
	}
	o.Record(decision(), nil, ignoreError)
	o.Settle(email, delivered("n1"), ignore)
	o.Settle(slack, delivered("n2"), ignore)
	if t.Failed() {
		return
	}
	if _, err := notice(o, "teams", "n3"); err != nil || reads != 2 {
		t.Errorf("%d reads, and of the third notice: %v; want one of who settles, one of who records, and its alert", reads, err)
	}
	o.Settle(outbox.Place{Instance: "teams"}, delivered("n3"), ignore)
	if diff := cmp.Diff(map[journal.Bucket]int{}, size(ledger)); diff != "" {
		t.Errorf("nothing is left (-want +got):\n%s", diff)
	}
}

func TestSettle_doesNotBlockRecordingWhileItReadsNotices(t *testing.T) {
	ledger := &slow{Ledger: &outboxtest.Ledger{}, bucket: "notice", during: func() {}}
	o := open(t, ledger)
	o.Record(decision(), nil, ignoreError)
	reads := 0
	ledger.during = func() {
		if reads++; o.Locked() {
			t.Error("every record waits for this read")
		}
	}
	o.Settle(email, parked("n1"), ignore)
	if reads != 1 {
		t.Errorf("%d reads, want 1", reads)
	}
}

// The end of a notice becomes durable while another settlement of it is about to read it.
func TestSettle_endsANoticeOnceThoughItReadsMeanwhile(t *testing.T) {
	ledger := &slow{Ledger: &outboxtest.Ledger{}, bucket: "notice", during: func() {}}
	o := open(t, ledger)
	o.Record(told("n1", "n2"), nil, ignoreError)
	ends := map[messages.NoticeID]int{}
	count := func(ended []messages.NoticeSettled, _ error) {
		for _, e := range ended {
			ends[e.ID]++
		}
	}
	ledger.Hold()
	o.Settle(slack, parked("n1"), count)
	ledger.during = func() {
		if o.Locked() {
			t.Fatal("the end could not become durable during this read")
		}
		ledger.Resume()
	}
	both := delivered("n2")
	both.Outcomes = append(both.Outcomes, delivered("n1").Outcomes...)
	both.Outcomes = append(both.Outcomes, both.Outcomes...)
	o.Settle(slack, both, count)
	if diff := cmp.Diff(map[messages.NoticeID]int{"n1": 1, "n2": 1}, ends); diff != "" {
		t.Errorf("ends of the notices differ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[journal.Bucket]int{"alert": 1, "told": 1, "parked": 1}, size(ledger)); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}
}

// failing is a ledger that cannot read one waiting notice for now.
type failing struct {
	*outboxtest.Ledger
	key string
	err error
}

func (f *failing) Get(b journal.Bucket, key string) ([]byte, bool, error) {
	if b == "notice" && key == f.key && f.err != nil {
		return nil, false, f.err
	}
	return f.Ledger.Get(b, key)
}

// A notice that is parked without its record could never be replayed.
func TestSettle_parksNoNoticeThatCannotBeReadForNow(t *testing.T) {
	ledger := &failing{Ledger: &outboxtest.Ledger{}, key: "n1@" + slack.Instance, err: journal.ErrUnavailable}
	o := open(t, ledger)
	o.Record(told("n1", "n2"), nil, ignoreError)
	both := parked("n1")
	both.Outcomes = append(both.Outcomes, parked("n2").Outcomes...)
	var ended []messages.NoticeSettled
	var failed error
	settle := func(s outbox.Settlement) {
		o.Settle(slack, s, func(e []messages.NoticeSettled, err error) { ended, failed = e, err })
	}
	settle(both)
	if !errors.Is(failed, outbox.ErrStillWaits) || !errors.Is(failed, journal.ErrUnavailable) || len(ended) != 1 || ended[0].ID != "n2" {
		t.Errorf("the settlement ended %+v with %v, want n2 alone and the error of n1", ended, failed)
	}
	if got := o.ParkedCounts()[slack]; got != 1 || !o.Pending(slack.Instance, "n1") {
		t.Errorf("%d count as parked, n1 waits: %t; want n2 parked and n1 waiting", got, o.Pending(slack.Instance, "n1"))
	}

	settle(delivered("n1")) // that needs no record, and must not be sent again
	if len(ended) != 1 || failed != nil || o.Pending(slack.Instance, "n1") {
		t.Errorf("the delivery ended %+v with %v, want n1", ended, failed)
	}

	o.Record(told("n1", "n2"), nil, ignoreError)
	ledger.err = nil
	settle(parked("n1"))
	if err := o.Replay(t.Context(), "n1", noon, func(messages.NoticeHead) {}); err != nil || failed != nil {
		t.Errorf("the replay answers %v, the parking %v", err, failed)
	}
}

// While a parked notice is read, another goroutine drops it.
func TestDrop_doesNotBlockRecordingDuringReads(t *testing.T) {
	ledger := &slow{Ledger: &outboxtest.Ledger{}, bucket: "parked", during: func() {}}
	o := open(t, ledger)
	o.Record(decision(), nil, ignoreError)
	o.Settle(email, parked("n1"), ignore)
	ledger.during = func() {
		ledger.during = func() {}
		if o.Locked() {
			t.Error("every record waits for this read")
			return
		}
		if _, err := o.Drop(t.Context(), "n1"); err != nil {
			t.Error(err)
		}
	}
	if _, err := o.Drop(t.Context(), "n1"); !t.Failed() && !errors.Is(err, outbox.ErrNotParked) {
		t.Errorf("the second drop answers %v, want ErrNotParked", err)
	}
	if got := o.ParkedCounts()[email]; got != 0 {
		t.Errorf("%d count as parked, want none", got)
	}
}

func TestLoad_readsOnlyTheNoticesOfItsInstance(t *testing.T) {
	ledger := &reads{Ledger: &outboxtest.Ledger{}}
	o := open(t, ledger)
	for i := range 50 {
		d := decision()
		d.Alert.ID, d.Notices = messages.AlertID(fmt.Sprint("alert", i)), []messages.NoticeHead{
			{ID: messages.NoticeID(fmt.Sprint("e", i)), Instance: email.Instance, QueuedAt: noon.Add(time.Duration(i))},
			{ID: messages.NoticeID(fmt.Sprint("s", i)), Instance: "slack/" + email.Instance},
		}
		o.Record(d, nil, func(error) {})
	}
	backlog, err := o.Load(email.Instance)
	if err != nil || len(backlog.Waiting) != 50 || backlog.Waiting[49].ID != "e49" || ledger.notices != 50 {
		t.Errorf("loaded %d notices and read %d (%v), want 50 of both", len(backlog.Waiting), ledger.notices, err)
	}
}

func TestOutbox_deliversFromTheCacheWithoutReadingAlerts(t *testing.T) {
	ledger := &reads{Ledger: &outboxtest.Ledger{}}
	o := open(t, ledger)
	d := decision()
	o.Record(d, nil, func(error) {})
	for _, n := range d.Notices {
		if _, err := notice(o, n.Instance, n.ID); err != nil {
			t.Fatal(err)
		}
	}
	o.Settle(email, delivered("n1"), ignore)
	o.Settle(slack, delivered("n2"), ignore)
	if ledger.alerts != 0 {
		t.Errorf("alerts were read back %d times, want never", ledger.alerts)
	}
}

// record records an alert with one notice, both called name.
func record(t *testing.T, o *outbox.Outbox, name, task string) {
	t.Helper()
	alert := *decision().Alert
	alert.ID, alert.Event.TaskName = messages.AlertID(name), task
	o.Record(outbox.Decision{Alert: &alert, Notices: []messages.NoticeHead{{ID: messages.NoticeID(name), Instance: "i"}}}, nil, ignoreError)
}

func ignoreError(error) {}

func TestOutbox_cachesTheAlertsThatAreSentNext(t *testing.T) {
	ledger := &reads{Ledger: &outboxtest.Ledger{}}
	o, err := outbox.Open(ledger, outbox.Options{CacheBytes: 6_000})
	if err != nil {
		t.Fatal(err)
	}
	send := func(name, task string, want int) {
		t.Helper()
		got, err := notice(o, "i", messages.NoticeID(name))
		if err != nil || got.Alert.Event.TaskName != task || ledger.alerts != want {
			t.Fatalf("%s is of task %q (%v), %d alerts read back, want %q and %d", name, got.Alert.Event.TaskName, err, ledger.alerts, task, want)
		}
	}
	names := strings.Split("abcdefghijklmnopqrst", "")
	for _, name := range names {
		record(t, o, name, "first")
	}
	send("a", "first", 0)
	send("t", "first", 1) // there was no room for the last recorded ones
	send("t", "first", 1)

	record(t, o, "a", "again")
	send("a", "again", 1) // the earlier entry was replaced

	for _, name := range names { // makes room in the cache
		o.Settle(outbox.Place{Instance: "i"}, delivered(messages.NoticeID(name)), ignore)
	}
	record(t, o, "new", "first")
	send("new", "first", 1)
}

func TestOutbox_prefersToCacheAlertsThatWereNotSentYet(t *testing.T) {
	ledger := &reads{Ledger: &outboxtest.Ledger{}}
	o, err := outbox.Open(ledger, outbox.Options{CacheBytes: 12_000})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 { // for a destination that accepts nothing
		name := strings.Repeat("x", i+1)
		record(t, o, name, "")
		if _, err := notice(o, "i", messages.NoticeID(name)); err != nil || ledger.alerts != 0 {
			t.Fatalf("alert %d: %d alerts read back (%v), want none", i, ledger.alerts, err)
		}
	}
	if _, err := notice(o, "i", "x"); err != nil || ledger.alerts != 1 {
		t.Errorf("the oldest alert was read back %d times (%v), want once", ledger.alerts, err)
	}
}

// TestOutbox_overTheRealLedger uses a journal on disk and a crash.
func TestOutbox_overTheRealLedger(t *testing.T) {
	store := memory.New()
	openLedger := func() *journal.Ledger {
		log, err := store.Open(t.Context(), "outbox", journal.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		ledger, err := journal.OpenLedger(t.Context(), log, journal.LedgerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return ledger
	}
	durable := make(chan error)
	ledger := openLedger()
	o := open(t, ledger)
	d := decision()
	o.Record(d, nil, func(err error) { durable <- err })
	<-durable
	o.Settle(email, parked("n1"), func(_ []messages.NoticeSettled, err error) { durable <- err })
	<-durable

	store = store.Crash()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_ = ledger.Close(gone)
	ledger = openLedger()
	defer ledger.Close(t.Context())
	o = open(t, ledger)
	o.Barrier(func(err error) { durable <- err })
	if err := <-durable; err != nil {
		t.Fatal(err)
	}
	if got, err := notice(o, slack.Instance, "n2"); err != nil || !cmp.Equal(got.Alert, *d.Alert) {
		t.Errorf("n2 is %+v (%v), want it with its alert", got, err)
	}
	if err := o.Replay(t.Context(), "n1", noon, func(messages.NoticeHead) {}); err != nil {
		t.Errorf("replay of n1: %v", err)
	}
	for id, at := range map[messages.NoticeID]outbox.Place{"n1": email, "n2": slack} {
		o.Settle(at, delivered(id), func(_ []messages.NoticeSettled, err error) { durable <- err })
		if err := <-durable; err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(map[journal.Bucket]int{}, size(ledger)); diff != "" {
		t.Errorf("nothing is left (-want +got):\n%s", diff)
	}
}

// Of such a notice not even the record is kept in memory.
func TestOutbox_replaysANoticeWithTheLongestTexts(t *testing.T) {
	log, err := memory.New().Open(t.Context(), "ledger", journal.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	ledger, err := journal.OpenLedger(t.Context(), log, journal.LedgerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	o := open(t, ledger)
	longest := strings.Repeat("å", 500) // more are not taken from a datagram
	d := decision()
	d.Alert.Key, d.Alert.Event.TaskName = messages.ExecutionKey(longest), longest
	d.Notices = d.Notices[:1]
	d.Notices[0].Recipient = strings.Repeat("a", 64) + "@" + strings.Repeat("b", 251) + ".com"
	d.Notices[0].SuppressBy = longest + "|" + d.Notices[0].Recipient

	durable := make(chan error, 1)
	o.Record(d, nil, func(err error) { durable <- err })
	if err := <-durable; err != nil {
		t.Fatal(err)
	}
	o.Settle(email, parked("n1"), func(_ []messages.NoticeSettled, err error) { durable <- err })
	if err := <-durable; err != nil {
		t.Fatal(err)
	}
	var announced messages.NoticeHead
	if err := o.Replay(t.Context(), "n1", noon, func(n messages.NoticeHead) { announced = n }); err != nil {
		t.Fatal(err)
	}
	want := d.Notices[0]
	want.Exempt, want.Expires = true, time.Time{}
	if diff := cmp.Diff(want, announced); diff != "" {
		t.Errorf("replayed notice differs (-want +got):\n%s", diff)
	}
	if n, err := notice(o, email.Instance, "n1"); err != nil || n.Alert.Key != d.Alert.Key {
		t.Errorf("the key of the replayed notice is %q (%v)", n.Alert.Key, err)
	}
	if err := ledger.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
