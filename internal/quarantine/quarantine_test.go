package quarantine

import (
	"fmt"
	"testing"

	"butler/internal/journal"
	"butler/internal/udp"
	"butler/messages"
)

// cabinet is a ledger in memory.
type cabinet struct {
	values map[string][]byte
	// stuck ledgers keep for later what they are given.
	stuck bool
	later []func()
}

func newCabinet() *cabinet { return &cabinet{values: map[string][]byte{}} }

func (c *cabinet) Commit(ops []journal.Op, done func(error)) {
	if c.stuck {
		c.later = append(c.later, func() { c.Commit(ops, done) })
		return
	}
	for _, op := range ops {
		if op.Bucket != bucket {
			panic("foreign bucket " + op.Bucket)
		}
		if op.Value == nil {
			delete(c.values, op.Key)
		} else {
			c.values[op.Key] = op.Value
		}
	}
	done(nil)
}

func (c *cabinet) Range(_ journal.Bucket, visit func(string, []byte) bool) error {
	for key, value := range c.values {
		if !visit(key, value) {
			break
		}
	}
	return nil
}

var _ Ledger = (*journal.Ledger)(nil)

func open(t *testing.T, c *cabinet) *Quarantine {
	t.Helper()
	q, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func list(t *testing.T, q *Quarantine, limit int) []messages.QuarantinedDatagram {
	t.Helper()
	out, err := q.List(limit)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestQuarantine_keepsTheNewestAcrossARestart(t *testing.T) {
	disk := newCabinet()
	q := open(t, disk)
	for i := range size {
		q.Keep(messages.QuarantinedDatagram{Detail: fmt.Sprint(i)})
	}
	q = open(t, disk)
	for i := range 10 {
		q.Keep(messages.QuarantinedDatagram{Detail: fmt.Sprint(size + i)})
	}
	if got := len(disk.values); got != size {
		t.Errorf("%d are kept, want %d", got, size)
	}
	got := list(t, q, 3)
	for i, want := range []string{"1009", "1008", "1007"} {
		if got[i].Detail != want {
			t.Errorf("entry %d is %s, want %s", i, got[i].Detail, want)
		}
	}
	if all := list(t, q, 1<<20); all[len(all)-1].Detail != "10" {
		t.Errorf("the oldest is %s, want 10", all[len(all)-1].Detail)
	}
}

// What was accepted and given up is kept nowhere else.
func TestQuarantine_aFloodOfRefusalsFlushesOutNothingThatWasAccepted(t *testing.T) {
	for _, reason := range []string{udp.ReasonFieldCount.String(), "cloud_event"} {
		disk := newCabinet()
		q := open(t, disk)
		q.Keep(messages.QuarantinedDatagram{Reason: "crashed"})
		for i := range 2 * size {
			if i%(size/2) == 0 {
				q = open(t, disk)
			}
			q.Put(messages.QuarantinedDatagram{Reason: reason}, func() {})
		}
		all := list(t, open(t, disk), 1<<20)
		if oldest := all[len(all)-1]; len(all) != size+1 || oldest.Reason != "crashed" {
			t.Errorf("%s: %d are kept, the oldest because of %q; want %d refusals and the event that was given up", reason, len(all), oldest.Reason, size)
		}
	}
}

func TestQuarantine_throwsOutWhatIsTooMuchOrUnreadable(t *testing.T) {
	disk := newCabinet()
	disk.values["not a number"] = []byte("{}")
	for id := range uint64(size) {
		disk.values[keyOf(1000+id)] = []byte(`{"reason":"source"}`)
	}
	disk.values[keyOf(5000)] = []byte(`{"id":5000,"reason":"source"}`)
	disk.values[keyOf(4999)] = []byte(`broken`)
	q := open(t, disk)
	if _, left := disk.values["not a number"]; left {
		t.Error("a foreign key stays")
	}
	for id, want := range map[uint64]bool{1000: false, 1001: false, 1002: true} {
		if _, left := disk.values[keyOf(id)]; left != want {
			t.Errorf("entry %d is left: %t", id, left)
		}
	}
	if got := list(t, q, 1<<20); len(got) != size-1 || got[0].ID != 5000 {
		t.Errorf("got %d entries, the newest %d; want all but the broken one", len(got), got[0].ID)
	}
	if q.Keep(messages.QuarantinedDatagram{}); list(t, q, 1)[0].ID != 5001 {
		t.Error("IDs do not go on where they were")
	}
}

func TestQuarantine_tellsWhatItKeeps(t *testing.T) {
	disk, kept := newCabinet(), 0
	q := open(t, disk)
	note := func() {
		if kept++; len(disk.values) != kept {
			t.Error("told before the entry can be read")
		}
	}
	q.Put(messages.QuarantinedDatagram{}, note)
	if len(disk.values) != 1 || kept != 1 {
		t.Errorf("want one kept and told, got %d kept, %d told", len(disk.values), kept)
	}
}

func TestQuarantine_keepsTheFirstOfAnOutageForLater(t *testing.T) {
	disk, kept := newCabinet(), 0
	q := open(t, disk)
	for range 2 { // the room is there again after the first outage
		disk.stuck = true
		for range size + 50 {
			q.Put(messages.QuarantinedDatagram{Reason: "journal_unavailable"}, func() { kept++ })
		}
		if len(disk.later) != size || kept%size != 0 {
			t.Errorf("in the outage: want %d to wait, got %d, and %d told", size, len(disk.later), kept)
		}
		disk.stuck = false
		for _, commit := range disk.later {
			commit()
		}
		disk.later = nil
	}
	if len(disk.values) != size || kept != 2*size {
		t.Errorf("after both: want %d told and the newest %d kept, got %d and %d", 2*size, size, kept, len(disk.values))
	}
}
