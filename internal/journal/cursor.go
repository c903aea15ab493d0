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

// bucketCursor holds the position of the consumer of every queue, by name.
const bucketCursor Bucket = "cursor"

// cursorEvery is the least time between two commits of one cursor. After a crash the
// consumer gets again what it acknowledged since the last commit.
const cursorEvery = 250 * time.Millisecond

// cursor keeps the floor of a queue in a ledger. It commits lazily, one commit at a
// time, and a last time when it is closed.
type cursor struct {
	ledger *Ledger
	name   string
	// moved is called when the durable floor has moved.
	moved func()

	mu         sync.Mutex
	want, kept Seq
	committing bool
	closed     bool
	failed     error
	last       time.Time
	timer      *time.Timer
	settled    chan struct{} // one slot: a commit ended
}

// recall returns the position of the consumer that the ledger has.
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

// maxLostRecords bounds the empty records that are written in place of lost ones.
const maxLostRecords = 1 << 18

// resume makes sure that the log continues after every record that it ever held.
// Elsewhere, sequence numbers identify events; if the newest records were lost, their
// numbers must not be used again. So it fills the gap with empty records, or skips it
// if no older record waits. It returns where the consumer begins.
func (q *Queue) resume(ctx context.Context, floor Seq) (Seq, error) {
	_, next := q.log.Bounds()
	known := next
	if r, ok := q.log.(Remembered); ok {
		known = max(known, r.Expected())
	}
	want := max(known, floor, q.opts.After+1)
	q.lost = int64(want - known)
	if floor >= next && want > next { // nothing waits
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
		if errors.Is(err, ErrFull) { // remove handled records
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

// durable returns the floor as the ledger has it.
func (c *cursor) durable() Seq {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kept
}

// advance notes where the consumer is now.
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

// scheduleLocked reports whether a commit has to be started now; if it is too
// early for one it arms the timer.
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

// commit writes the wanted floor; committing is set.
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

// close records the floor for the last time.
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
