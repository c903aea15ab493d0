package outbox_test

import (
	"context"
	"testing"

	"pgregory.net/rapid"

	"butler/internal/journal"
	"butler/internal/outbox"
	"butler/internal/outbox/outboxtest"
	"butler/messages"
)

// For any sequence of operations on the notices of an alert that is recorded repeatedly,
// and any delay of the commits: every notice on disk has its alert on disk.
func TestOutbox_aNoticeOnDiskHasItsAlert(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ledger := &outboxtest.Ledger{}
		reopened := func() *outbox.Outbox {
			o, err := outbox.Open(ledger, outbox.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return o
		}
		check := func() {
			if n := ledger.Len("notice") + ledger.Len("parked"); n > 0 && ledger.Len("alert") == 0 {
				t.Fatalf("%d notices are on disk without their alert", n)
			}
		}
		o := reopened()
		nobodyWaits, cancel := context.WithCancel(t.Context())
		cancel()
		one := rapid.SampledFrom([]messages.NoticeID{"n1", "n2", "n3"})
		step := map[string]func(){
			"record": func() {
				ids := rapid.SliceOfNDistinct(one, 1, 3, rapid.ID[messages.NoticeID]).Draw(t, "notices")
				o.Record(told(ids...), nil, ignoreError)
			},
			"deliver": func() { o.Settle(slack, delivered(one.Draw(t, "notice")), ignore) },
			"park":    func() { o.Settle(slack, parked(one.Draw(t, "notice")), ignore) },
			"try": func() {
				o.Settle(slack, outbox.Settlement{Outcomes: []outbox.Outcome{{ID: one.Draw(t, "notice"), Attempts: 5}}}, ignore)
			},
			"drop":   func() { _, _ = o.Drop(nobodyWaits, one.Draw(t, "notice")) },
			"replay": func() { _ = o.Replay(nobodyWaits, one.Draw(t, "notice"), noon, func(messages.NoticeHead) {}) },
			"write": func() {
				ledger.Release(1)
				check()
			},
			"restart": func() {
				ledger = ledger.Crash()
				ledger.Hold()
				o = reopened()
			},
		}
		ledger.Hold()
		for _, name := range rapid.SliceOfN(rapid.SampledFrom([]string{
			"record", "record", "deliver", "deliver", "park", "try", "drop", "replay", "write", "write", "write", "restart",
		}), 1, 60).Draw(t, "steps") {
			step[name]()
		}
		for ledger.Release(1) > 0 {
			check()
		}
		ledger.Resume()
		for _, id := range []messages.NoticeID{"n1", "n2", "n3"} {
			o.Settle(slack, delivered(id), ignore)
			_, _ = o.Drop(t.Context(), id)
		}
		reopened()
		for _, bucket := range []journal.Bucket{"alert", "told", "attachment", "notice", "parked"} {
			if n := ledger.Len(bucket); n > 0 {
				t.Fatalf("%d of %s are left when nobody waits any more", n, bucket)
			}
		}
	})
}
