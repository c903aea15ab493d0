package journal

import (
	"context"
	"time"
)

// Record is one record of a Queue with the entries that were packed into it.
type Record struct {
	Seq Seq
	// Entries are the appended entries, in order; they may be kept.
	Entries [][]byte
}

// QueueOptions configure OpenQueue.
type QueueOptions struct {
	// MaxUnacked is how many records Next hands out before it waits for Ack; 0 means 1,024.
	MaxUnacked int
	// KeepFor is how long handled records stay readable for Range; 0 drops them at once.
	KeepFor time.Duration
	// KeepBytes is the log size from which handled records are dropped before their time.
	KeepBytes int64
	// OnHealth is called when appending starts to fail (err) and when it works again (nil).
	OnHealth func(err error)
}

// QueueStats describe a Queue at one moment.
type QueueStats struct {
	// Pending counts the records that are not acknowledged; Entries what they hold.
	Pending, Entries int
	// Oldest is when the oldest of them was appended; zero when there is none.
	Oldest time.Time
	// Bytes is the size of the log.
	Bytes int64
}

// Queue is a durable queue of batches with one consumer.
type Queue struct{}

// OpenQueue opens the queue over log; the place of its consumer is kept in ledger under name.
func OpenQueue(ctx context.Context, name string, log Log, ledger *Ledger, opts QueueOptions) (*Queue, error) {
	panic("BUG: not written yet")
}

// Append queues entries for the next group commit. done runs on the queue's own
// goroutine when they are durable: entry i of the call is entry base+i of record
// seq. Its error is ErrClosed or nil: a failing disk is retried, see Healthy.
// Append does not block.
func (q *Queue) Append(entries [][]byte, done func(seq Seq, base int, err error)) {
	panic("BUG: not written yet")
}

// Next blocks until there is a record that this process has not been given yet,
// in order; after a restart it begins with the oldest unacknowledged one.
func (q *Queue) Next(ctx context.Context) (Record, error) { panic("BUG: not written yet") }

// Ack marks records as handled, in any order.
func (q *Queue) Ack(seqs ...Seq) { panic("BUG: not written yet") }

// Floor returns the oldest record that is not acknowledged durably: a restart
// hands out nothing before it.
func (q *Queue) Floor() Seq { panic("BUG: not written yet") }

// Range calls visit for every kept record from seq on, handled or not.
func (q *Queue) Range(ctx context.Context, from Seq, visit func(Record) error) error {
	panic("BUG: not written yet")
}

// Stats describes the queue.
func (q *Queue) Stats() QueueStats { panic("BUG: not written yet") }

// Healthy returns why appending fails at present, or nil. While it fails nobody should append more.
func (q *Queue) Healthy() error { panic("BUG: not written yet") }

// Close waits for what is queued, until ctx ends.
func (q *Queue) Close(ctx context.Context) error { panic("BUG: not written yet") }
