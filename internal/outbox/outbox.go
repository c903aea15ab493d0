// Package outbox owns what a decision leaves on disk until everybody has been
// told: the alert once, one small record per notice, suppression windows, and
// the notices that were parked.
//
// It guarantees that a notice is in exactly one place, waiting or parked, until
// it is delivered, suppressed or dropped, by an operator or because it is parked
// for longer than it is to be kept (Surplus); that a window changes in the same
// commit as the notice that changed it; and that an alert is removed with the
// last of its notices. An entry that cannot be read is parked with the reason
// and kept as found, so it neither stops a start nor disappears.
//
// Everything goes through one Outbox per ledger, which is safe for concurrent
// use. It must never talk to a destination, decide an outcome, or wait for the
// disk to write: Record, Settle and their kin return at once and call back when the
// change is durable. They read only of an alert that comes again, who it was for.
package outbox

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"butler/internal/journal"
	"butler/internal/ratelimit"
	"butler/messages"
)

// Ledger is the part of journal.Ledger that the outbox stands on.
type Ledger interface {
	// Commit copies what it is given.
	Commit(ops []journal.Op, done func(error))
	Get(b journal.Bucket, key string) ([]byte, bool, error)
	Range(b journal.Bucket, visit func(key string, value []byte) bool) error
	// Select is Range for the keys that want chooses, and reads no others.
	Select(b journal.Bucket, want func(key string) bool, visit func(key string, value []byte) bool) error
	// Size is the size of a value, 0 without one.
	Size(b journal.Bucket, key string) int
	Len(b journal.Bucket) int
}

// Options configure Open. The zero value is usable.
type Options struct {
	// CacheBytes bounds the alerts kept decoded, roughly; 0 means 64 MiB.
	CacheBytes int
}

// Outbox is the notices of one ledger. Build it with Open.
type Outbox struct {
	ledger Ledger

	// settling is held by whoever finds out what a notice that goes leaves behind,
	// until that is with the ledger, so that they do it one after the other. It is
	// taken before order and mu, and may be held for a read from the disk, as those,
	// which every record needs, may not.
	settling sync.Mutex

	// order is held by whoever hands a commit with an alert to the ledger, and alone by
	// whoever finds that an alert goes, until that is with the ledger, too. It is taken
	// before mu, and never held for a read.
	order sync.RWMutex

	mu    sync.Mutex
	cache *cache
	// recording counts the commits by which an alert is on its way to the disk.
	recording map[messages.AlertID]int
	// left are the unsettled notices of alerts of which some are settled
	// already. It sees a settlement before the ledger does, so two settled at
	// the same moment agree on which of them was the last.
	left map[messages.AlertID]map[string]struct{}
	// parked counts the parked notices by integration and instance.
	parked map[Place]int
	// ending are notices whose end is on its way to the disk.
	ending map[messages.NoticeID]struct{}
	// moving are parked notices that an operator's command is moving: true once the
	// ledger has been told, so that they are as good as gone.
	moving map[messages.NoticeID]bool
}

// Place names a destination instance and what it belongs to.
type Place struct{ Integration, Instance string }

// Named reports whether a name is that of the instance, or of what it belongs to.
func (p Place) Named(name string) bool { return name == p.Instance || name == p.Integration }

// Open returns the outbox that ledger holds. It removes alerts that no notice needs.
func Open(ledger Ledger, opts Options) (*Outbox, error) {
	if opts.CacheBytes <= 0 {
		opts.CacheBytes = 64 << 20
	}
	o := &Outbox{
		ledger:    ledger,
		cache:     newCache(opts.CacheBytes),
		recording: map[messages.AlertID]int{},
		left:      map[messages.AlertID]map[string]struct{}{},
		parked:    map[Place]int{},
		ending:    map[messages.NoticeID]struct{}{},
		moving:    map[messages.NoticeID]bool{},
	}
	if err := o.sweep(); err != nil {
		return nil, fmt.Errorf("open outbox: %w", err)
	}
	return o, nil
}

// sweep counts what is parked and removes alerts without a notice. It keeps
// everything when a record cannot be read, since that one may need any of them.
func (o *Outbox) sweep() error {
	needed, unreadable := map[string]bool{}, false
	err := o.ledger.Range(bucketNotice, func(_ string, value []byte) bool {
		var n noticeRecord
		unreadable = decode(value, &n) != nil || unreadable
		needed[string(n.Alert)] = true
		return true
	})
	if err != nil {
		return fmt.Errorf("read notices: %w", err)
	}
	err = o.ledger.Range(bucketParked, func(_ string, value []byte) bool {
		p := readParked(value)
		unreadable = unreadable || p.Notice.Alert == ""
		needed[string(p.Notice.Alert)] = true
		o.parked[p.place()]++
		return true
	})
	if err != nil || unreadable {
		return err
	}
	var ops []journal.Op
	err = o.ledger.Select(bucketAlert, func(alert string) bool { return !needed[alert] }, func(alert string, _ []byte) bool {
		ops = append(ops, removeAlert(messages.AlertID(alert))...)
		return true
	})
	if err != nil {
		return fmt.Errorf("read alerts: %w", err)
	}
	if len(ops) > 0 {
		o.ledger.Commit(ops, func(error) {}) // found again at the next start otherwise
	}
	return nil
}

// Decision is an alert and who is told of it. The zero value tells nobody.
type Decision struct {
	Alert *messages.Alert
	// Attachment is the full script log for the notices that are Attached, "" without one.
	Attachment string
	Notices    []messages.NoticeHead
}

// Record commits a decision together with what its maker has to remember. done
// runs on the ledger's goroutine when both are durable, or can never be.
func (o *Outbox) Record(d Decision, more []journal.Op, done func(error)) {
	var b Batch
	b.Add(d, more...)
	o.Commit(&b, done)
}

// Commit makes what was added to a batch durable as one, and empties the batch.
// done is that of Record.
func (o *Outbox) Commit(b *Batch, done func(error)) {
	o.mu.Lock()
	keep := !o.cache.full()
	for i := range b.alerts {
		a := &b.alerts[i]
		a.again = o.recording[a.id] > 0
		o.recording[a.id]++
	}
	o.mu.Unlock()
	alerts := b.recorded(keep)
	for _, a := range alerts {
		b.ops = append(b.ops, o.earlier(a)...)
	}
	o.order.RLock()
	o.ledger.Commit(b.ops, func(err error) {
		o.remember(alerts, err)
		done(err)
	})
	o.order.RUnlock()
	b.reset() // the ledger has copied what it was given
}

// earlier returns what an alert that comes again needs on disk, so that it is kept
// for those that it was recorded with before, and who are not told this time. It
// reads who they are, for which nobody waits but who records it.
func (o *Outbox) earlier(a recorded) []journal.Op {
	if !a.again && o.ledger.Size(bucketAlert, string(a.id)) == 0 {
		return nil
	}
	var keys []string
	for _, n := range a.notices {
		keys = append(keys, noticeKey(n.ID, n.Instance))
	}
	others := slices.DeleteFunc(o.unsettled(a.id), func(key string) bool { return slices.Contains(keys, key) })
	switch {
	case a.again: // for whom, the ledger does not know yet
		others = append(others, somebody)
	case o.ledger.Size(bucketTold, string(a.id)) == 0 && slices.ContainsFunc(keys, o.kept):
		others = nil // it was recorded with one notice, and that is one of these
	}
	if len(others) == 0 {
		return nil
	}
	return []journal.Op{{Bucket: bucketTold, Key: string(a.id), Value: encode(append(keys, others...))}}
}

// remember keeps the alerts of notices that were just recorded, as long as there is
// room, so that their delivery reads nothing back.
func (o *Outbox) remember(alerts []recorded, failed error) {
	if len(alerts) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, a := range alerts {
		if o.recording[a.id]--; o.recording[a.id] == 0 {
			delete(o.recording, a.id)
		}
		if failed != nil {
			continue
		}
		if left, ok := o.left[a.id]; ok {
			for _, n := range a.notices {
				if _, ends := o.ending[n.ID]; !ends { // of the first time, and this one with it
					left[noticeKey(n.ID, n.Instance)] = struct{}{}
				}
			}
		}
		o.cache.record(a.id, a.entry)
	}
}

// Pending reports whether a notice waits for delivery.
func (o *Outbox) Pending(instance string, id messages.NoticeID) bool {
	return o.ledger.Size(bucketNotice, noticeKey(id, instance)) > 0
}

// Barrier calls done, on the ledger's goroutine, when everything committed
// before it is durable and visible.
func (o *Outbox) Barrier(done func(error)) { o.ledger.Commit(nil, done) }

// Waiting is a notice that waits for delivery.
type Waiting struct {
	messages.NoticeHead
	// Attempts and Panics are what was recorded of earlier tries, at least; some may be missing.
	Attempts, Panics int
}

// Backlog is what an instance finds at its start.
type Backlog struct {
	// Waiting is in the order of queueing.
	Waiting []Waiting
	// Windows are the suppression windows by key.
	Windows map[string]ratelimit.Window
	// Unreadable are the notices whose record cannot be read; park them.
	Unreadable map[messages.NoticeID]error
}

// Load returns what waits for an instance. Call it behind Barrier when
// settlements of the instance may be on their way.
func (o *Outbox) Load(instance string) (Backlog, error) {
	backlog := Backlog{Windows: map[string]ratelimit.Window{}, Unreadable: map[messages.NoticeID]error{}}
	mine := func(key string) bool {
		_, owner := splitNoticeKey(key)
		return owner == instance
	}
	err := o.ledger.Select(bucketNotice, mine, func(key string, value []byte) bool {
		id, _ := splitNoticeKey(key)
		var n noticeRecord
		if err := decode(value, &n); err != nil {
			backlog.Unreadable[id] = err
			return true
		}
		backlog.Waiting = append(backlog.Waiting, Waiting{
			NoticeHead: n.head(id, instance), Attempts: n.Attempts, Panics: n.Panics,
		})
		return true
	})
	if err != nil {
		return Backlog{}, fmt.Errorf("load notices of %s: %w", instance, err)
	}
	prefix := windowKey(instance, "")
	mine = func(key string) bool { return strings.HasPrefix(key, prefix) }
	err = o.ledger.Select(bucketWindow, mine, func(key string, value []byte) bool {
		var w windowRecord
		// A window that cannot be read is no window: at worst one alert too many.
		if decode(value, &w) == nil {
			backlog.Windows[strings.TrimPrefix(key, prefix)] = ratelimit.Window(w)
		}
		return true
	})
	if err != nil {
		return Backlog{}, fmt.Errorf("load windows of %s: %w", instance, err)
	}
	slices.SortFunc(backlog.Waiting, func(a, b Waiting) int {
		if c := a.QueuedAt.Compare(b.QueuedAt); c != 0 {
			return c
		}
		return strings.Compare(string(a.ID), string(b.ID))
	})
	return backlog, nil
}

// Waiting counts the notices that wait for delivery.
func (o *Outbox) Waiting() int { return o.ledger.Len(bucketNotice) }

// Instances counts the waiting notices of every instance that left something
// behind; one that has nothing but windows counts 0.
func (o *Outbox) Instances() (map[string]int, error) {
	counts := map[string]int{}
	err := o.ledger.Range(bucketNotice, func(key string, _ []byte) bool {
		_, instance := splitNoticeKey(key)
		counts[instance]++
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("list instances: %w", err)
	}
	err = o.ledger.Range(bucketWindow, func(key string, _ []byte) bool {
		instance, _, _ := strings.Cut(key, "\x00")
		counts[instance] += 0
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("list instances: %w", err)
	}
	return counts, nil
}
