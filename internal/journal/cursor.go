package journal

import (
	"context"
	cryptorand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"
)

// bucketCursor holds the position of the consumer of every queue, by queue name.
const bucketCursor Bucket = "cursor"

// cursorEvery is the minimum time between two commits of one cursor. After a crash the
// consumer receives again what it acknowledged since the last commit.
const cursorEvery = 250 * time.Millisecond

// cursor keeps the floor of a queue in a ledger. It commits with a delay, one commit at
// a time, and once more when it is closed.
type cursor struct {
	ledger *Ledger
	name   string
	// moved is called after every commit of the floor.
	moved func()

	mu         sync.Mutex
	want, kept Seq
	committing bool
	closed     bool
	failed     error
	last       time.Time
	timer      *time.Timer
	settled    chan struct{} // capacity 1: a commit ended
}

// recall returns the consumer's position from the ledger, but at least the first record.
func (q *Queue) recall(ledger *Ledger, name string) (Seq, error) {
	first, _ := q.log.Bounds()
	value, ok, err := ledger.Get(bucketCursor, name)
	if err != nil || !ok {
		return first, err
	}
	if len(value) != 8 {
		return 0, fmt.Errorf("%w: cursor has %d bytes", ErrCorrupt, len(value))
	}
	return max(Seq(binary.BigEndian.Uint64(value)), first), nil
}

// maxLostRecords bounds the number of empty records written in place of lost ones.
const maxLostRecords = 1 << 18

// resume makes sure that the log continues after every record that it ever held.
// Sequence numbers identify events elsewhere, so if the newest records were lost, their
// numbers must not be reused: resume fills the gap with empty records, or skips it if
// no older record is pending. It returns where the consumer begins.
func (q *Queue) resume(ctx context.Context, floor Seq) (Seq, error) {
	_, next := q.log.Bounds()
	known := next
	if r, ok := q.log.(Remembered); ok {
		known = max(known, r.Expected())
	}
	want := max(known, floor, q.opts.After+1)
	q.lost = int64(want - known)
	if floor >= next && want > next { // nothing is pending
		return want, q.log.Trim(ctx, want)
	}
	if want > next+maxLostRecords {
		return 0, fmt.Errorf("%w: the log ends at record %d and is said to have had %d; restore the directory of the journal from a backup, or remove DIARY from it to go on", ErrCorrupt, next-1, want-1)
	}
	var e encoder
	name := cryptorand.Text()
	for ; next < want; next++ {
		id, nothing := fmt.Sprintf("%s-%d", name, next), e.encode(kindQueue, time.Now(), nil)
		_, err := q.log.Append(ctx, id, nothing)
		if errors.Is(err, ErrFull) { // make room by removing handled records
			if err = q.log.Trim(ctx, floor); err == nil {
				_, err = q.log.Append(ctx, id, nothing)
			}
		}
		if err != nil {
			return 0, fmt.Errorf("leave out record %d, which was lost: %w", next, err)
		}
	}
	return floor, nil
}

func (c *cursor) start(ledger *Ledger, name string, floor Seq, moved func()) {
	c.ledger, c.name, c.moved = ledger, name, moved
	c.want, c.kept = floor, floor
	c.settled = make(chan struct{}, 1)
}

// durable returns the floor that the ledger has.
func (c *cursor) durable() Seq {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kept
}

// advance moves the floor forward and commits it, at once or later.
func (c *cursor) advance(floor Seq) {
	c.mu.Lock()
	due := floor > c.want && !c.closed
	if due {
		c.want = floor
	}
	commit := due && c.scheduleLocked()
	c.mu.Unlock()
	if commit {
		c.commit()
	}
}

// scheduleLocked reports whether the caller has to start a commit. If it is too early
// for one, it arms the timer.
func (c *cursor) scheduleLocked() bool {
	if c.committing || c.timer != nil || c.want == c.kept {
		return false
	}
	if wait := cursorEvery - time.Since(c.last); wait > 0 {
		c.timer = time.AfterFunc(wait, c.due)
		return false
	}
	c.committing = true
	return true
}

// due runs when the timer fires.
func (c *cursor) due() {
	c.mu.Lock()
	c.timer = nil
	commit := !c.closed && c.scheduleLocked()
	c.mu.Unlock()
	if commit {
		c.commit()
	}
}

// commit commits the wanted floor. The caller has set committing.
func (c *cursor) commit() {
	c.mu.Lock()
	floor := c.want
	c.last = time.Now()
	c.mu.Unlock()
	value := binary.BigEndian.AppendUint64(nil, uint64(floor))
	c.ledger.Commit([]Op{{Bucket: bucketCursor, Key: c.name, Value: value}}, func(err error) {
		c.mu.Lock()
		c.committing = false
		c.failed = err
		if err == nil {
			c.kept = floor
		}
		again := err == nil && !c.closed && c.scheduleLocked()
		c.mu.Unlock()
		select {
		case c.settled <- struct{}{}:
		default:
		}
		c.moved()
		if again {
			c.commit()
		}
	})
}

// close commits the floor a last time.
func (c *cursor) close(ctx context.Context) error {
	for {
		c.mu.Lock()
		c.closed = true
		if c.timer != nil {
			c.timer.Stop()
			c.timer = nil
		}
		ended := c.want == c.kept || errors.Is(c.failed, ErrClosed)
		commit := !ended && !c.committing
		c.committing = c.committing || commit
		failed := c.failed
		c.mu.Unlock()
		if ended {
			return failed
		}
		if commit {
			c.commit()
		}
		select {
		case <-c.settled:
		case <-ctx.Done():
			return fmt.Errorf("record the place of queue %s: %w", c.name, context.Cause(ctx))
		}
	}
}
