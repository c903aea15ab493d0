package outbox

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"butler/internal/journal"
	"butler/internal/ratelimit"
	"butler/internal/text"
	"butler/messages"
)

// ParkCause is why a notice was parked. It is a metric label and durable, so its texts never change.
type ParkCause string

// The causes.
const (
	// Rejected: the provider will never accept this notice.
	Rejected ParkCause = "rejected"
	// Expired: the notice became too old while its destination failed.
	Expired ParkCause = "expired"
	// Panicked: the code that sends it panicked repeatedly.
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

// Outcome is the part of a settlement about one waiting notice.
type Outcome struct {
	ID messages.NoticeID
	// Ended is how the notice ended. Zero means that it still waits, and only Attempts
	// and Panics are stored.
	Ended messages.NoticeOutcome
	// Attempts and Panics count the attempts so far.
	Attempts, Panics int
	// Cause is set for a parked notice.
	Cause ParkCause
	// Outdated means that the notice is suppressed because it has expired, not by a rate limit.
	Outdated bool
	// Reason is a text that says why a notice was suppressed or parked. It has no secrets.
	Reason string
}

// Settlement is a set of outcomes with the windows they changed, for one commit.
type Settlement struct {
	Outcomes []Outcome
	// Windows are the new states of suppression windows, by key.
	Windows map[string]ratelimit.Window
	// Forgotten are the keys of windows that are not needed any more.
	Forgotten []string
	At        time.Time
}

// Parks reports whether the settlement parks a notice.
func (s Settlement) Parks() bool {
	return slices.ContainsFunc(s.Outcomes, func(o Outcome) bool { return o.Ended == messages.NoticeParked })
}

// maxReason is the maximum length of a stored reason, in bytes.
const maxReason = 500

// ErrStillWaits is the error for a settlement that is durable without the notices that
// were to be parked and could not be read for now. They still wait.
var ErrStillWaits = errors.New("a notice that is to be parked cannot be read for now")

// Settle commits a settlement of one instance. done runs on the ledger's goroutine
// when it is durable, with the notices that ended; its error is journal.ErrClosed,
// ErrStillWaits or nil. A notice that does not wait any more, or whose end is being
// committed already, is skipped.
func (o *Outbox) Settle(at Place, s Settlement, done func([]messages.NoticeSettled, error)) {
	o.settling.Lock()
	defer o.settling.Unlock()
	found, unread := o.readSettled(at, s.Outcomes)
	ops, gone, ended := o.outcomes(at, found, s.At)
	for key, window := range s.Windows {
		ops = append(ops, journal.Op{
			Bucket: bucketWindow, Key: windowKey(at.Instance, key), Value: encode(windowRecord(window)),
		})
	}
	for _, key := range s.Forgotten {
		ops = append(ops, journal.Op{Bucket: bucketWindow, Key: windowKey(at.Instance, key)})
	}
	o.commitRemoval(ops, gone, func(err error) {
		o.mu.Lock()
		for _, settled := range ended {
			delete(o.ending, settled.ID)
		}
		o.mu.Unlock()
		done(ended, cmp.Or(err, unread))
	})
}

// settleable is an outcome with the record of its waiting notice.
type settleable struct {
	Outcome
	record noticeRecord
	// raw is the encoded record.
	raw []byte
	// unreadable says why there is no record, nil if there is one.
	unreadable error
}

// readSettled reads the notices that outcomes are about, without those that do not wait or
// whose end is being committed. The caller holds settling, so no other end of them begins
// meanwhile, but not mu: a long record is read from disk.
//
// It leaves out a notice that is to be parked and cannot be read for now, because without
// its record it could not be replayed. The error, ErrStillWaits, names those.
func (o *Outbox) readSettled(at Place, outcomes []Outcome) (found []settleable, unread error) {
	for _, outcome := range outcomes {
		if !o.mayEnd(outcome.ID) {
			continue
		}
		raw, ok, err := o.ledger.Get(bucketNotice, noticeKey(outcome.ID, at.Instance))
		if !ok && err == nil {
			continue
		}
		one := settleable{Outcome: outcome, raw: raw, unreadable: err}
		if err == nil {
			one.unreadable = decode(raw, &one.record)
		}
		if one.Ended == messages.NoticeParked && one.unreadable != nil && !errors.Is(one.unreadable, journal.ErrCorrupt) {
			unread = errors.Join(unread, fmt.Errorf("%w: notice %s: %w", ErrStillWaits, outcome.ID, one.unreadable))
			continue
		}
		one.record.Attempts, one.record.Panics = outcome.Attempts, outcome.Panics
		found = append(found, one)
	}
	return found, unread
}

// mayEnd reports whether no end of a notice is being committed.
func (o *Outbox) mayEnd(id messages.NoticeID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, underway := o.ending[id]
	return !underway
}

// outcomes returns the changes for outcomes, the notices that these remove, and the
// notices that end. The caller holds settling.
func (o *Outbox) outcomes(at Place, found []settleable, now time.Time) (ops []journal.Op, gone []removedNotice, ended []messages.NoticeSettled) {
	o.mu.Lock()
	for i := range found {
		outcome := &found[i]
		if _, twice := o.ending[outcome.ID]; twice {
			continue
		}
		ops = append(ops, o.outcomeLocked(at, outcome, now)...)
		if outcome.Ended == 0 {
			continue
		}
		record := &outcome.record
		o.ending[outcome.ID] = struct{}{}
		ended = append(ended, messages.NoticeSettled{
			ID: outcome.ID, Alert: record.Alert, Kind: record.Kind, Key: record.Key, TaskName: record.TaskName,
			Instance: at.Instance, Integration: at.Integration, Recipient: record.Recipient,
			Outcome: outcome.Ended, Reason: outcome.Reason, Attempts: outcome.Attempts, At: now,
		})
		if outcome.Ended != messages.NoticeParked && !o.parkedLocked(outcome.ID) { // else it is still parked since its event was first received
			gone = append(gone, record.removed(outcome.ID, at.Instance))
		}
	}
	o.mu.Unlock()
	o.loadRemaining(gone)
	return ops, gone, ended
}

// outcomeLocked returns the changes for one outcome.
func (o *Outbox) outcomeLocked(at Place, outcome *settleable, now time.Time) []journal.Op {
	key := noticeKey(outcome.ID, at.Instance)
	switch {
	case outcome.Ended == messages.NoticeParked:
		return o.parkLocked(at, outcome, now)
	case outcome.Ended != 0:
		return []journal.Op{{Bucket: bucketNotice, Key: key}}
	case outcome.unreadable != nil:
		return nil
	default:
		return []journal.Op{{Bucket: bucketNotice, Key: key, Value: encode(&outcome.record)}}
	}
}

// parkLocked moves a notice from the waiting to the parked ones.
func (o *Outbox) parkLocked(at Place, outcome *settleable, now time.Time) []journal.Op {
	parked := parkedRecord{
		Notice: outcome.record, Instance: at.Instance, Integration: at.Integration,
		Cause: outcome.Cause, Reason: text.FirstBytes(outcome.Reason, maxReason), ParkedAt: now,
	}
	if outcome.unreadable != nil {
		parked.Notice, parked.Raw = noticeRecord{}, outcome.raw
	}
	// If an event is received again after a long time, its notices have the same IDs. A
	// notice that is parked again replaces the first one.
	if !o.parkedLocked(outcome.ID) {
		o.countParkedLocked(at, 1)
	}
	return []journal.Op{
		{Bucket: bucketNotice, Key: noticeKey(outcome.ID, at.Instance)},
		{Bucket: bucketParked, Key: string(outcome.ID), Value: encode(parked)},
	}
}

// parkedLocked reports whether a notice is parked and is not being replayed or dropped.
func (o *Outbox) parkedLocked(id messages.NoticeID) bool {
	return !o.moving[id] && o.ledger.Size(bucketParked, string(id)) > 0
}

// isWaiting reports whether a notice waits for delivery and its end is not being committed.
func (o *Outbox) isWaiting(instance string, id messages.NoticeID) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, ends := o.ending[id]
	return !ends && o.Pending(instance, id)
}

// removedNotice is a notice that is removed: it neither waits nor is parked any more.
type removedNotice struct {
	alert messages.AlertID
	key   string
	sole  bool
}

func (r *noticeRecord) removed(id messages.NoticeID, instance string) removedNotice {
	return removedNotice{alert: r.Alert, key: noticeKey(id, instance), sole: r.Sole}
}

// loadRemaining fills o.remaining for the alerts of notices that are removed. The
// caller holds settling.
//
// It may read from disk, so it does not hold mu or order meanwhile. A set is added
// before it is complete: noteRecorded adds to it what is recorded during the read.
func (o *Outbox) loadRemaining(gone []removedNotice) {
	for _, n := range gone {
		o.mu.Lock()
		left, known := o.remaining[n.alert]
		if !known {
			left = map[string]struct{}{}
			o.remaining[n.alert] = left
		}
		o.mu.Unlock()
		if alone := n.sole && o.ledger.Size(bucketNoticeKeys, string(n.alert)) == 0; known || alone {
			continue
		}
		others := o.unsettled(n.alert)
		o.mu.Lock()
		for _, key := range others {
			left[key] = struct{}{}
		}
		o.mu.Unlock()
	}
}

// commitRemoval commits changes that remove notices, and removes an alert with its last
// notice, unless it is being recorded again.
func (o *Outbox) commitRemoval(ops []journal.Op, gone []removedNotice, done func(error)) {
	if len(gone) > 0 {
		o.order.Lock()
		defer o.order.Unlock()
		o.mu.Lock()
		for _, n := range gone {
			ops = append(ops, o.releaseLocked(n)...)
		}
		o.mu.Unlock()
	}
	o.ledger.Commit(ops, done)
}

// releaseLocked takes a notice from those that its alert is kept for, and returns the
// changes that remove the alert if that was the last.
func (o *Outbox) releaseLocked(n removedNotice) []journal.Op {
	left, known := o.remaining[n.alert]
	if delete(left, n.key); !known || len(left) > 0 {
		return nil
	}
	delete(o.remaining, n.alert)
	if o.recording[n.alert] > 0 {
		return nil
	}
	o.cache.remove(n.alert)
	ops := removeAlert(n.alert)
	if o.ledger.Len(bucketAttachment) == 0 {
		ops = ops[:len(ops)-1]
	}
	return ops
}

// unsettled returns the keys of an alert's notices that wait or are parked. It may
// read from disk.
func (o *Outbox) unsettled(alert messages.AlertID) []string {
	raw, ok, err := o.ledger.Get(bucketNoticeKeys, string(alert))
	var keys []string
	if !ok || err != nil || decode(raw, &keys) != nil {
		return []string{unknownNotice}
	}
	return slices.DeleteFunc(keys, func(key string) bool { return !o.exists(key) })
}

// unknownNotice represents notices of an alert with unknown keys. The alert is kept for
// them until the next Open, which reads all notices.
const unknownNotice = "?"

// exists reports whether a notice waits or is parked. It checks the waiting ones twice,
// because a replay may move the notice there from the parked ones in between.
func (o *Outbox) exists(key string) bool {
	if key == unknownNotice {
		return true
	}
	id, _ := splitNoticeKey(key)
	for _, place := range []struct {
		bucket journal.Bucket
		key    string
	}{{bucketNotice, key}, {bucketParked, string(id)}, {bucketNotice, key}} {
		if o.ledger.Size(place.bucket, place.key) > 0 {
			return true
		}
	}
	return false
}

func removeAlert(id messages.AlertID) []journal.Op {
	return []journal.Op{
		{Bucket: bucketAlert, Key: string(id)},
		{Bucket: bucketNoticeKeys, Key: string(id)},
		{Bucket: bucketAttachment, Key: string(id)},
	}
}
