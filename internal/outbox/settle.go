package outbox

import (
	"slices"
	"time"

	"butler/internal/journal"
	"butler/internal/ratelimit"
	"butler/messages"
)

// ParkCause is why a notice was parked. It is a metric label and durable, so its texts never change.
type ParkCause string

// The causes.
const (
	// Rejected: the provider will never accept this notice.
	Rejected ParkCause = "rejected"
	// Expired: the notice grew too old while its destination failed.
	Expired ParkCause = "expired"
	// Panicked: the code that sends it crashed on it again and again.
	Panicked ParkCause = "panicked"
	// Unreadable: its entry on disk cannot be read.
	Unreadable ParkCause = "unreadable"
	// Unconfigured: its destination instance is not configured any more.
	Unconfigured ParkCause = "unconfigured"
)

// ParkCauses lists every cause.
func ParkCauses() []ParkCause {
	return []ParkCause{Rejected, Expired, Panicked, Unreadable, Unconfigured}
}

// Outcome is what a settlement says of one waiting notice.
type Outcome struct {
	ID messages.NoticeID
	// Ended is how the notice ended. Zero means that it goes on waiting, and
	// only Attempts and Panics are remembered.
	Ended messages.NoticeOutcome
	// Attempts and Panics count the tries so far.
	Attempts, Panics int
	// Cause is set for a parked notice.
	Cause ParkCause
	// Outdated marks a notice that is suppressed because its use has ended, not by a rate limit.
	Outdated bool
	// Reason says in words why a notice was suppressed or parked. It holds no secret.
	Reason string
}

// Settlement is a set of outcomes with the windows they changed, for one commit.
type Settlement struct {
	Outcomes []Outcome
	// Windows are the new states of suppression windows, by key.
	Windows map[string]ratelimit.Window
	// Forgotten are keys whose window is not needed any more.
	Forgotten []string
	At        time.Time
}

// Parks reports whether the settlement parks anything.
func (s Settlement) Parks() bool {
	return slices.ContainsFunc(s.Outcomes, func(o Outcome) bool { return o.Ended == messages.NoticeParked })
}

// maxReason is how much of a reason is kept, in bytes.
const maxReason = 500

// Settle commits a settlement of one instance. done runs on the ledger's
// goroutine when it is durable, with the notices that ended; its error is
// journal.ErrClosed or nil. A notice that does not wait any more, or whose end is
// on its way to the disk already, is passed over.
func (o *Outbox) Settle(at Place, s Settlement, done func([]messages.NoticeSettled, error)) {
	var ops []journal.Op
	var ended []messages.NoticeSettled
	o.mu.Lock()
	for _, outcome := range s.Outcomes {
		if _, underway := o.ending[outcome.ID]; underway {
			continue
		}
		changes, settled, ok := o.outcomeLocked(at, outcome, s.At)
		ops = append(ops, changes...)
		if ok {
			ended = append(ended, settled)
			o.ending[outcome.ID] = struct{}{}
		}
	}
	o.mu.Unlock()
	for key, window := range s.Windows {
		ops = append(ops, journal.Op{
			Bucket: bucketWindow, Key: windowKey(at.Instance, key), Value: encode(windowRecord(window)),
		})
	}
	for _, key := range s.Forgotten {
		ops = append(ops, journal.Op{Bucket: bucketWindow, Key: windowKey(at.Instance, key)})
	}
	o.ledger.Commit(ops, func(err error) {
		o.mu.Lock()
		for _, settled := range ended {
			delete(o.ending, settled.ID)
		}
		o.mu.Unlock()
		done(ended, err)
	})
}

// outcomeLocked returns the changes for one outcome, and what to tell those who
// watch when it ended the notice.
func (o *Outbox) outcomeLocked(at Place, outcome Outcome, now time.Time) ([]journal.Op, messages.NoticeSettled, bool) {
	key := noticeKey(outcome.ID, at.Instance)
	raw, ok, err := o.ledger.Get(bucketNotice, key)
	if !ok && err == nil {
		return nil, messages.NoticeSettled{}, false
	}
	var record noticeRecord
	if err == nil {
		err = decode(raw, &record)
	}
	record.Attempts, record.Panics = outcome.Attempts, outcome.Panics

	var ops []journal.Op
	switch outcome.Ended {
	case messages.NoticeParked:
		ops = o.parkLocked(at, outcome, record, raw, err, now)
	case messages.NoticeDelivered, messages.NoticeSuppressed:
		ops = append([]journal.Op{{Bucket: bucketNotice, Key: key}}, o.releaseLocked(record, key)...)
	default:
		if err != nil {
			return nil, messages.NoticeSettled{}, false
		}
		return []journal.Op{{Bucket: bucketNotice, Key: key, Value: encode(&record)}}, messages.NoticeSettled{}, false
	}
	return ops, messages.NoticeSettled{
		ID: outcome.ID, Alert: record.Alert, Kind: record.Kind, Key: record.Key, TaskName: record.TaskName,
		Instance: at.Instance, Integration: at.Integration, Recipient: record.Recipient,
		Outcome: outcome.Ended, Reason: outcome.Reason, Attempts: outcome.Attempts, At: now,
	}, true
}

// parkLocked moves a notice from the waiting to the parked ones.
func (o *Outbox) parkLocked(at Place, outcome Outcome, record noticeRecord, raw []byte, unreadable error, now time.Time) []journal.Op {
	parked := parkedRecord{
		Notice: record, Instance: at.Instance, Integration: at.Integration,
		Cause: outcome.Cause, Reason: firstBytes(outcome.Reason, maxReason), ParkedAt: now,
	}
	if unreadable != nil {
		parked.Notice, parked.Raw = noticeRecord{}, raw
	}
	// An event that comes again, long after, has the same notices: one that is
	// parked once more takes the place of the first.
	_, moving := o.moving[outcome.ID] // counted as gone
	if moving || o.ledger.Size(bucketParked, string(outcome.ID)) == 0 {
		o.countParkedLocked(at, 1)
	}
	return []journal.Op{
		{Bucket: bucketNotice, Key: noticeKey(outcome.ID, at.Instance)},
		{Bucket: bucketParked, Key: string(outcome.ID), Value: encode(parked)},
	}
}

// releaseLocked notes that an alert needs to be kept for one notice less, and
// returns what removes the alert when that was the last.
func (o *Outbox) releaseLocked(record noticeRecord, key string) []journal.Op {
	alert := record.Alert
	left, known := o.left[alert]
	switch {
	case known:
	case record.Sole && o.ledger.Size(bucketTold, string(alert)) == 0:
		left = map[string]struct{}{}
	default:
		if left = o.unsettled(alert); left == nil {
			return nil // not readable: removed by the next Open, when nothing needs it
		}
		o.left[alert] = left
	}
	delete(left, key)
	if len(left) > 0 {
		return nil
	}
	delete(o.left, alert)
	o.cache.remove(alert)
	ops := removeAlert(alert)
	if o.ledger.Len(bucketAttachment) == 0 {
		ops = ops[:len(ops)-1]
	}
	return ops
}

// unsettled returns the keys of an alert's notices that wait or are parked, nil
// when they cannot be told.
func (o *Outbox) unsettled(alert messages.AlertID) map[string]struct{} {
	raw, ok, err := o.ledger.Get(bucketTold, string(alert))
	var told []string
	if !ok || err != nil || decode(raw, &told) != nil {
		return nil
	}
	left := make(map[string]struct{}, len(told))
	for _, key := range told {
		if o.kept(key) {
			left[key] = struct{}{}
		}
	}
	return left
}

// kept reports whether a notice waits or is parked. It looks at the waiting ones
// twice, because a replay may move it from the parked ones between two looks.
func (o *Outbox) kept(key string) bool {
	id, _ := splitNoticeKey(key)
	for _, place := range []struct {
		bucket journal.Bucket
		key    string
	}{{bucketNotice, key}, {bucketParked, string(id)}, {bucketNotice, key}} {
		if _, ok, err := o.ledger.Get(place.bucket, place.key); ok || err != nil {
			return true
		}
	}
	return false
}

func removeAlert(id messages.AlertID) []journal.Op {
	return []journal.Op{
		{Bucket: bucketAlert, Key: string(id)},
		{Bucket: bucketTold, Key: string(id)},
		{Bucket: bucketAttachment, Key: string(id)},
	}
}
