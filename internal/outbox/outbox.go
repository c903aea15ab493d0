// Package outbox owns the durable state of a decision until all of its notices have
// ended: the alert once, one small record per notice, suppression windows, and the
// parked notices.
//
// It guarantees that a notice is in exactly one place, waiting or parked, until
// it is delivered, suppressed or dropped, by an operator or because it was parked
// for too long (Surplus); that a window changes in the same commit as the notice
// that changed it; and that an alert is removed with the last of its notices. An
// entry that cannot be read is parked with the reason and its bytes, so it neither
// prevents a start nor is lost.
//
// There is one Outbox per ledger, which is safe for concurrent use. It must never call a
// destination, decide an outcome, or wait for a write: Record, Commit and Settle return
// at once and call back when the change is durable. They may read the notices of an alert
// from disk, when its event is received again or its notices end.
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

// Ledger is the durable store of the outbox; *journal.Ledger is the one in use.
type Ledger interface {
	// Commit copies ops, so that the caller can reuse their memory. It does not wait: done
	// is called when the change is durable, or with an error.
	Commit(ops []journal.Op, done func(error))
	Get(b journal.Bucket, key string) ([]byte, bool, error)
	Range(b journal.Bucket, visit func(key string, value []byte) bool) error
	// Select is Range for the keys for which want returns true. It reads no other values.
	Select(b journal.Bucket, want func(key string) bool, visit func(key string, value []byte) bool) error
	// Size returns the size of a value in bytes, 0 if it does not exist. It does not read
	// from disk.
	Size(b journal.Bucket, key string) int
	Len(b journal.Bucket) int
}

// Options configure Open. The zero value is usable.
type Options struct {
	// CacheBytes is the approximate limit for the memory of cached alerts; 0 means 64 MiB.
	CacheBytes int
}

// Outbox is the notices of one ledger. Build it with Open.
type Outbox struct {
	ledger Ledger

	// Locks are taken in the order settling, order, mu. Only settling may be held
	// during a read from disk: the others are needed to record a decision.

	// settling serialises the removal of notices, from finding out whether their alert
	// is still needed until the commit is handed to the ledger.
	settling sync.Mutex

	// order keeps commits that add notices of an alert apart from those that remove the
	// alert: the former are handed to the ledger under the read lock, the latter are
	// made and handed over under the write lock.
	order sync.RWMutex

	mu    sync.Mutex
	cache *cache
	// recording counts the commits with an alert that are not durable yet.
	recording map[messages.AlertID]int
	// remaining holds the keys of the notices that an alert is still kept for, once one
	// of its notices has ended. It is updated before the ledger is, so of two notices
	// that end at the same time exactly one is the last.
	remaining map[messages.AlertID]map[string]struct{}
	// parked counts the parked notices by integration and instance.
	parked map[Place]int
	// ending are notices whose end is not durable yet.
	ending map[messages.NoticeID]struct{}
	// moving are parked notices that are being replayed or dropped: true once the
	// commit has been handed to the ledger, from when on they do not count as parked.
	moving map[messages.NoticeID]bool
}

// Place names a destination instance and its integration.
type Place struct{ Integration, Instance string }

// Named reports whether name is that of the instance or of its integration.
func (p Place) Named(name string) bool { return name == p.Instance || name == p.Integration }

// Open returns the outbox of a ledger. It removes alerts without a notice.
func Open(ledger Ledger, opts Options) (*Outbox, error) {
	if opts.CacheBytes <= 0 {
		opts.CacheBytes = 64 << 20
	}
	o := &Outbox{
		ledger:    ledger,
		cache:     newCache(opts.CacheBytes),
		recording: map[messages.AlertID]int{},
		remaining: map[messages.AlertID]map[string]struct{}{},
		parked:    map[Place]int{},
		ending:    map[messages.NoticeID]struct{}{},
		moving:    map[messages.NoticeID]bool{},
	}
	if err := o.sweep(); err != nil {
		return nil, fmt.Errorf("open outbox: %w", err)
	}
	return o, nil
}

// sweep counts the parked notices and removes alerts without a notice. It removes
// nothing if a record cannot be read, because that may be a notice of any alert.
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
		o.ledger.Commit(ops, func(error) {}) // if it fails, the next start does it
	}
	return nil
}

// Decision is an alert with its notices. The zero value has none.
type Decision struct {
	Alert *messages.Alert
	// Attachment is the full script log, for the notices that are Attached; "" if there is none.
	Attachment string
	Notices    []messages.NoticeHead
}

// Record commits a decision together with further changes of the ledger. done runs on
// the ledger's goroutine when all of it is durable, or with an error if it never will be.
func (o *Outbox) Record(d Decision, more []journal.Op, done func(error)) {
	var b Batch
	b.Add(d, more...)
	o.Commit(&b, done)
}

// Commit commits a batch as one change, and empties it. done is as for Record.
func (o *Outbox) Commit(b *Batch, done func(error)) {
	o.mu.Lock()
	keep := !o.cache.full()
	for i := range b.alerts {
		a := &b.alerts[i]
		a.recording = o.recording[a.id] > 0
		o.recording[a.id]++
	}
	o.mu.Unlock()
	alerts := b.recorded(keep)
	for _, a := range alerts {
		b.ops = append(b.ops, o.mergeEarlier(a)...)
	}
	o.order.RLock()
	o.ledger.Commit(b.ops, func(err error) {
		o.noteRecorded(alerts, err)
		done(err)
	})
	o.order.RUnlock()
	b.reset() // the ledger has copied what it was given
}

// mergeEarlier returns the changes that keep an alert which is recorded again for its
// earlier notices, too. It may read from disk.
func (o *Outbox) mergeEarlier(a recorded) []journal.Op {
	if !a.recording && o.ledger.Size(bucketAlert, string(a.id)) == 0 {
		return nil
	}
	var keys []string
	for _, n := range a.notices {
		keys = append(keys, noticeKey(n.ID, n.Instance))
	}
	others := slices.DeleteFunc(o.unsettled(a.id), func(key string) bool { return slices.Contains(keys, key) })
	switch {
	case a.recording: // with notices that the ledger does not have yet
		others = append(others, unknownNotice)
	case o.ledger.Size(bucketNoticeKeys, string(a.id)) == 0 && slices.ContainsFunc(keys, o.exists):
		others = nil // it was recorded with a sole notice, which is among these
	}
	if len(others) == 0 {
		return nil
	}
	return []journal.Op{{Bucket: bucketNoticeKeys, Key: string(a.id), Value: encode(append(keys, others...))}}
}

// noteRecorded handles the end of a commit with alerts. It caches them, as long as there
// is room, so that their delivery does not have to read them from disk.
func (o *Outbox) noteRecorded(alerts []recorded, failed error) {
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
		if left, ok := o.remaining[a.id]; ok {
			for _, n := range a.notices {
				if _, ends := o.ending[n.ID]; !ends { // else that end covers this record of the notice, too
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
	// Attempts and Panics count earlier attempts. The last few may not have been recorded.
	Attempts, Panics int
}

// Backlog is the content of the outbox for one instance.
type Backlog struct {
	// Waiting is in the order of queueing.
	Waiting []Waiting
	// Windows are the suppression windows by key.
	Windows map[string]ratelimit.Window
	// Unreadable are the notices whose record cannot be read, with the errors. The caller
	// should park them.
	Unreadable map[messages.NoticeID]error
}

// Load returns the backlog of an instance. If settlements of the instance may not be
// durable yet, call it after Barrier.
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
		// A window that cannot be read is ignored, which may cause one alert too many.
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

// Instances counts the waiting notices of every instance that has any entry; one that
// has only windows counts 0. It does not read from disk.
func (o *Outbox) Instances() (map[string]int, error) {
	counts := map[string]int{}
	err := o.eachKey(bucketNotice, func(key string) {
		_, instance := splitNoticeKey(key)
		counts[instance]++
	})
	if err != nil {
		return nil, fmt.Errorf("list instances: %w", err)
	}
	err = o.eachKey(bucketWindow, func(key string) {
		instance, _, _ := strings.Cut(key, "\x00")
		counts[instance] += 0
	})
	if err != nil {
		return nil, fmt.Errorf("list instances: %w", err)
	}
	return counts, nil
}

// eachKey visits the keys of a bucket. Selecting none of them reads no value.
func (o *Outbox) eachKey(b journal.Bucket, visit func(key string)) error {
	none := func(key string) bool {
		visit(key)
		return false
	}
	return o.ledger.Select(b, none, func(string, []byte) bool { return true })
}
