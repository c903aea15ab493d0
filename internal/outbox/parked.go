package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"butler/internal/journal"
	"butler/messages"
)

// ErrNotParked is the error for an ID that is not that of a parked notice.
var ErrNotParked = errors.New("no such parked notice")

// Parked is a parked notice. It is not sent unless an operator replays it.
type Parked struct {
	ID          messages.NoticeID
	Alert       messages.AlertID
	Kind        messages.AlertKind
	Key         messages.ExecutionKey
	TaskName    string
	Instance    string
	Integration string
	Recipient   string
	Cause       ParkCause
	// Reason is a text that says why, with the last error of the destination.
	Reason   string
	Attempts int
	QueuedAt time.Time
	ParkedAt time.Time
}

// ParkedFilter selects parked notices. The zero value selects all.
type ParkedFilter struct {
	// Destination is an instance, or an integration for all of its instances.
	Destination string
	Key         messages.ExecutionKey
	Cause       ParkCause
	// Notices are those wanted, nil for any. The others are not read from disk.
	Notices map[messages.NoticeID]bool
	// Limit is the maximum number, of the ones parked first; 0 means no limit.
	Limit int
}

func (f ParkedFilter) selects(p Parked) bool {
	return (f.Destination == "" || Place{p.Integration, p.Instance}.Named(f.Destination)) &&
		(f.Key == "" || f.Key == p.Key) &&
		(f.Cause == "" || f.Cause == p.Cause)
}

// Parked lists the parked notices that f selects, in the order of parking.
func (o *Outbox) Parked(f ParkedFilter) ([]Parked, error) {
	var found []Parked
	wanted := func(key string) bool { return f.Notices == nil || f.Notices[messages.NoticeID(key)] }
	err := o.ledger.Select(bucketParked, wanted, func(key string, value []byte) bool {
		if p := readParked(value).listed(messages.NoticeID(key)); f.selects(p) {
			found = append(found, p)
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("list parked notices: %w", err)
	}
	slices.SortFunc(found, func(a, b Parked) int {
		return cmp.Or(a.ParkedAt.Compare(b.ParkedAt), strings.Compare(string(a.ID), string(b.ID)))
	})
	if f.Limit > 0 && len(found) > f.Limit {
		found = found[:f.Limit]
	}
	return found, nil
}

// ParkedCounts counts the parked notices by place.
func (o *Outbox) ParkedCounts() map[Place]int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return maps.Clone(o.parked)
}

// ParkedAt returns where a notice is parked, or ErrNotParked.
func (o *Outbox) ParkedAt(id messages.NoticeID) (Place, error) {
	raw, ok, err := o.ledger.Get(bucketParked, string(id))
	if err != nil {
		return Place{}, fmt.Errorf("read parked notice %s: %w", id, err)
	}
	if !ok {
		return Place{}, ErrNotParked
	}
	return readParked(raw).place(), nil
}

// Replay moves a parked notice back to the waiting ones, with no attempts, exempt
// from suppression and without an expiry, and waits until that is durable. announce is
// called then, on the ledger's goroutine, even if ctx has ended before. The error is
// ErrNotParked, journal.ErrCorrupt for a notice that cannot be read, or that of ctx,
// after which the move may still happen.
func (o *Outbox) Replay(ctx context.Context, id messages.NoticeID, now time.Time, announce func(messages.NoticeHead)) error {
	record, err := o.takeParked(id)
	if err != nil {
		return fmt.Errorf("replay %s: %w", id, err)
	}
	n := record.Notice
	if _, err := o.alert(n.Alert, n.Attachment); err != nil {
		o.freeParked(id)
		return fmt.Errorf("replay %s: %w", id, err)
	}
	n.Attempts, n.Panics, n.QueuedAt, n.Exempt, n.Expires = 0, 0, now, true, time.Time{}
	again := journal.Op{Bucket: bucketNotice, Key: noticeKey(id, record.Instance), Value: encode(&n)}
	o.settling.Lock()
	durable := o.move(id, record.place(), []journal.Op{again}, nil, func() { announce(n.head(id, record.Instance)) })
	o.settling.Unlock()
	if err := await(ctx, durable); err != nil {
		return fmt.Errorf("replay %s: %w", id, err)
	}
	return nil
}

// Drop removes a parked notice, waits until that is durable and returns the notice.
// The error is ErrNotParked, or that of ctx, after which the removal may still happen.
func (o *Outbox) Drop(ctx context.Context, id messages.NoticeID) (Parked, error) {
	record, err := o.takeParked(id)
	if err != nil {
		return Parked{}, fmt.Errorf("drop %s: %w", id, err)
	}
	var gone []removedNotice
	o.settling.Lock()
	if record.Notice.Alert != "" && !o.isWaiting(record.Instance, id) { // it also waits if its event was received again
		gone = append(gone, record.Notice.removed(id, record.Instance))
	}
	o.loadRemaining(gone)
	durable := o.move(id, record.place(), nil, gone, func() {})
	o.settling.Unlock()
	if err := await(ctx, durable); err != nil {
		return Parked{}, fmt.Errorf("drop %s: %w", id, err)
	}
	return record.listed(id), nil
}

// takeParked reads a parked notice and prevents other moves of it until freeParked is
// called. The error is ErrNotParked also while another move is in progress.
func (o *Outbox) takeParked(id messages.NoticeID) (parkedRecord, error) {
	raw, ok, err := o.ledger.Get(bucketParked, string(id)) // may read from disk, so before mu is taken
	if err != nil {
		return parkedRecord{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	still := o.ledger.Size(bucketParked, string(id)) > 0
	if _, taken := o.moving[id]; !ok || !still || taken {
		return parkedRecord{}, ErrNotParked
	}
	o.moving[id] = false
	return readParked(raw), nil
}

// freeParked allows other moves of a notice again.
func (o *Outbox) freeParked(id messages.NoticeID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.moving, id)
}

// move commits that a taken notice is not parked any more, together with ops and with the
// removal of gone. then runs on the ledger's goroutine when that is durable; the channel
// receives the result. The caller holds settling.
func (o *Outbox) move(id messages.NoticeID, from Place, ops []journal.Op, gone []removedNotice, then func()) <-chan error {
	durable := make(chan error, 1)
	o.mu.Lock()
	o.moving[id] = true
	o.countParkedLocked(from, -1)
	o.mu.Unlock()
	o.commitRemoval(append(ops, journal.Op{Bucket: bucketParked, Key: string(id)}), gone, func(err error) {
		o.freeParked(id)
		if err == nil {
			then()
		}
		durable <- err
	})
	return durable
}

// await waits until a change is durable or ctx ends.
func await(ctx context.Context, durable <-chan error) error {
	select {
	case err := <-durable:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (o *Outbox) countParkedLocked(at Place, change int) {
	if o.parked[at] += change; o.parked[at] == 0 {
		delete(o.parked, at)
	}
}

// readParked decodes a parked notice. If that fails, it returns a record with which the
// notice can be listed and dropped.
func readParked(raw []byte) parkedRecord {
	var p parkedRecord
	if err := decode(raw, &p); err != nil {
		return parkedRecord{Cause: Unreadable, Reason: err.Error(), Raw: raw}
	}
	return p
}

func (p parkedRecord) place() Place { return Place{Integration: p.Integration, Instance: p.Instance} }

func (p parkedRecord) listed(id messages.NoticeID) Parked {
	return Parked{
		ID: id, Alert: p.Notice.Alert, Kind: p.Notice.Kind, Key: p.Notice.Key, TaskName: p.Notice.TaskName,
		Instance: p.Instance, Integration: p.Integration, Recipient: p.Notice.Recipient,
		Cause: p.Cause, Reason: p.Reason, Attempts: p.Notice.Attempts,
		QueuedAt: p.Notice.QueuedAt, ParkedAt: p.ParkedAt,
	}
}
