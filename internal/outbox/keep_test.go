package outbox_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/journal"
	"butler/internal/outbox"
	"butler/internal/outbox/outboxtest"
	"butler/messages"
)

// parkedHourly returns an outbox with five notices that were parked hourly, p0 at noon.
// p3 and p4 share an alert, the others have one each.
func parkedHourly(t *testing.T) (*outboxtest.Ledger, *outbox.Outbox) {
	t.Helper()
	ledger := &outboxtest.Ledger{}
	o := open(t, ledger)
	for i := range 5 {
		id := messages.NoticeID(fmt.Sprint("p", i))
		d := decision()
		d.Alert.ID = messages.AlertID(fmt.Sprint("alert", min(i, 3)))
		d.Notices = []messages.NoticeHead{{ID: id, Instance: email.Instance, Attached: true, QueuedAt: noon}}
		o.Record(d, nil, func(error) {})
		s := parked(id)
		s.At = noon.Add(time.Duration(i) * time.Hour)
		o.Settle(email, s, ignore)
	}
	return ledger, o
}

// taken returns the size of the entries of some notices and alerts.
func taken(l *outboxtest.Ledger, keys ...string) int64 {
	size := 0
	for _, bucket := range []journal.Bucket{"parked", "alert", "told", "attachment"} {
		for _, key := range keys {
			size += l.Size(bucket, key)
		}
	}
	return int64(size)
}

func TestSurplus_listsOldNoticesAndTheOldestBeyondTheSize(t *testing.T) {
	ledger, o := parkedHourly(t)
	all := taken(ledger, "p0", "p1", "p2", "p3", "p4", "alert0", "alert1", "alert2", "alert3")
	newest := taken(ledger, "p3", "p4", "alert3")
	for name, row := range map[string]struct {
		keep outbox.Retention
		at   time.Duration
		want []messages.NoticeID
	}{
		"everything is kept":             {outbox.Retention{}, 100000 * time.Hour, nil},
		"nothing is old":                 {outbox.Retention{For: 5 * time.Hour}, 5*time.Hour - 1, nil},
		"one is old":                     {outbox.Retention{For: 5 * time.Hour}, 5 * time.Hour, []messages.NoticeID{"p0"}},
		"three are old":                  {outbox.Retention{For: 5 * time.Hour}, 7*time.Hour + 1, []messages.NoticeID{"p0", "p1", "p2"}},
		"the clock was put back":         {outbox.Retention{For: time.Hour}, -time.Hour, nil},
		"all fit":                        {outbox.Retention{Bytes: all}, 0, nil},
		"a byte too much":                {outbox.Retention{Bytes: all - 1}, 0, []messages.NoticeID{"p0"}},
		"a shared alert is counted once": {outbox.Retention{Bytes: newest}, 0, []messages.NoticeID{"p0", "p1", "p2"}},
		"not even one fits":              {outbox.Retention{Bytes: 1}, 0, []messages.NoticeID{"p0", "p1", "p2", "p3", "p4"}},
		"old and too much":               {outbox.Retention{For: 5 * time.Hour, Bytes: newest}, 5 * time.Hour, []messages.NoticeID{"p0", "p1", "p2"}},
	} {
		t.Run(name, func(t *testing.T) {
			surplus, err := o.Surplus(row.keep, noon.Add(row.at))
			if err != nil {
				t.Fatal(err)
			}
			var got []messages.NoticeID
			for _, p := range surplus {
				got = append(got, p.ID)
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("surplus differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSurplus_omitsUnreadableNotices(t *testing.T) {
	ledger, o := parkedHourly(t)
	put(ledger, "parked", "later", []byte{99, '{', '}'})
	surplus, err := o.Surplus(outbox.Retention{For: time.Hour, Bytes: 1}, noon.Add(1000*time.Hour))
	if err != nil || len(surplus) != 5 {
		t.Errorf("want the five that can be read, got %+v (%v)", surplus, err)
	}
}
