package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Record is one record of a Queue with the entries that were packed into it.
type Record struct {
	Seq Seq
	// At is when the record was packed.
	At time.Time
	// Again reports that Next of an earlier process may have returned the record, too: it
	// was in the log when the queue was opened.
	Again bool
	// Entries are the appended entries, in order; they may be kept.
	Entries [][]byte
	// Damage is the error with which the record cannot be decoded, or nil; it wraps
	// ErrCorrupt. A damaged record has no entries and waits for Ack like any other.
	Damage error
}

// QueueOptions configure OpenQueue.
type QueueOptions struct {
	// MaxUnacked is the number of unacknowledged entries at which Next waits for Ack;
	// 0 means 16,384. A record is never split, so the number may be exceeded.
	MaxUnacked int
	// KeepFor is how long handled records stay readable for Range; 0 removes them at once.
	KeepFor time.Duration
	// KeepBytes is the log size above which handled records are removed before
	// KeepFor has passed; 0 means no such size.
	KeepBytes int64
	// After is the newest record that is known to have existed; 0 if none is known.
	After Seq
	// OnHealth is called when writing starts to fail (err) and when it works again (nil),
	// OnReading when reading does. Neither may block.
	OnHealth, OnReading func(err error)
	// OnAppend is as in LedgerOptions.
	OnAppend func(took time.Duration, err error)
	// Rand is the source of the jitter of retries. Nobody else may use it; nil means
	// a new one.
	Rand *rand.Rand
}

// QueueStats describe a Queue at one moment.
type QueueStats struct {
	// Pending counts the unacknowledged records, Entries the entries in them.
	Pending, Entries int
	// Oldest is when the oldest of them was packed; zero when there is none.
	Oldest time.Time
	// Bytes is the size of the log on disk.
	Bytes int64
	// Lost counts the newest records that were missing when the queue was opened,
	// except those that the log itself knows to be missing; it must be 0.
	Lost int64
	// Retries counts failed attempts to write, UpkeepFailures failed attempts to trim.
	Retries, UpkeepFailures int64
}

// defaultUnacked is the default of QueueOptions.MaxUnacked.
const defaultUnacked = 16 << 10

// Queue is a durable queue of batches with one consumer. After a restart it hands
// out every record again, except those that were acknowledged and lie before the
// consumer's position in the ledger, which is written with a short delay. Methods
// are safe for concurrent use, but only one goroutine at a time may call Next.
type Queue struct {
	log    Log
	pack   *packer
	cursor cursor
	opts   QueueOptions
	// reading is the health of reading the log; that of writing is the packer's.
	reading health

	lost   int64     // lost records; see QueueStats
	found  Seq       // the newest record in the log when the queue was opened; 0 for none
	retain retention // of handled records; used by the packer's goroutine only

	mu      sync.Mutex
	backlog backlog
	arrived chan struct{} // capacity 1: wakes Next
	closed  chan struct{}
	closing sync.Once
}

// OpenQueue opens the queue that is stored in log. The position of its consumer is
// kept in ledger under name; the ledger has to be closed after the queue.
func OpenQueue(ctx context.Context, name string, log Log, ledger *Ledger, opts QueueOptions) (*Queue, error) {
	if opts.MaxUnacked <= 0 {
		opts.MaxUnacked = defaultUnacked
	}
	q := &Queue{
		log:     log,
		opts:    opts,
		reading: health{tell: opts.OnReading},
		retain:  retention{log: log, kind: kindQueue, keepFor: opts.KeepFor, keepBytes: opts.KeepBytes},
		arrived: make(chan struct{}, 1),
		closed:  make(chan struct{}),
	}
	floor, err := q.recall(ledger, name)
	if err == nil {
		floor, err = q.resume(ctx, floor)
	}
	if err != nil {
		return nil, fmt.Errorf("open queue %s: %w", name, err)
	}
	q.backlog.floor = floor
	if err := log.Read(ctx, floor, func(seq Seq, record []byte) error {
		content, err := decodeRecord(kindQueue, record)
		q.backlog.add(seq, content, damaged(seq, err), notCached)
		q.found = seq
		return nil
	}); err != nil {
		return nil, fmt.Errorf("open queue %s: %w", name, err)
	}
	q.pack = newPacker(log, kindQueue, packerHooks{
		tell:     opts.OnHealth,
		appended: opts.OnAppend,
		rand:     opts.Rand,
		stored:   q.stored,
		makeRoom: func(ctx context.Context) bool { return q.retain.makeRoom(ctx, q.handledBelow()) },
		upkeep:   func(ctx context.Context) time.Duration { return q.retain.trim(ctx, q.cursor.durable()) },
	})
	q.cursor.start(ledger, name, floor, q.pack.nudge)
	q.pack.start(ctx, q.pack.run)
	return q, nil
}

// Append queues entries for the next group commit. done runs on the queue's
// goroutine when they are durable: entry i of the call is entry base+i of record
// seq. Its error is nil, ErrClosed, or ErrTooLarge when the entries do not fit a
// record; writes to a failing disk are retried, see Writable. Append does not block;
// the entries are kept and must not be changed. When the queue is closed already,
// done runs before Append returns.
func (q *Queue) Append(entries [][]byte, done func(seq Seq, base int, err error)) {
	q.pack.add(entries, done)
}

// stored makes a durable record available to the consumer.
func (q *Queue) stored(seq Seq, content recordContent) {
	q.mu.Lock()
	q.backlog.add(seq, content, nil, cached)
	q.mu.Unlock()
	q.signal()
}

// signal wakes Next.
func (q *Queue) signal() {
	select {
	case q.arrived <- struct{}{}:
	default:
	}
}

// Next returns the next record that this process has not received yet, in order;
// after a restart the first is the oldest unacknowledged one. It blocks while there is
// none, while MaxUnacked entries wait for Ack, and while the log cannot be read. Its
// error is that of ctx or ErrClosed. For unreadable records see Record.Damage.
func (q *Queue) Next(ctx context.Context) (Record, error) {
	for failures := 0; ; {
		if err := q.ended(ctx); err != nil {
			return Record{}, err
		}
		q.mu.Lock()
		rec, state := q.backlog.next(q.opts.MaxUnacked)
		q.mu.Unlock()
		switch state {
		case nextGiven:
			rec.Again = rec.Seq <= q.found
			return rec, nil
		case nextWait:
			q.await(ctx, never)
			continue
		case nextFetch:
		}
		if err := q.fetch(ctx, rec.Seq); err != nil && q.ended(ctx) == nil {
			q.reading.set(err)
			failures++
			q.await(ctx, retry.Ceiling(failures))
			continue
		}
		q.reading.set(nil)
	}
}

// ended returns the error with which Next has to return, or nil.
func (q *Queue) ended(ctx context.Context) error {
	select {
	case <-q.closed:
		return ErrClosed
	default:
		return ctx.Err()
	}
}

// await waits until ctx ends, the queue is closed, d has passed or, if d is never, a
// signal arrives.
func (q *Queue) await(ctx context.Context, d time.Duration) {
	var due <-chan time.Time
	arrived := q.arrived
	if d != never {
		timer := time.NewTimer(d)
		defer timer.Stop()
		due, arrived = timer.C, nil
	}
	select {
	case <-arrived:
	case <-due:
	case <-q.closed:
	case <-ctx.Done():
	}
}

// fetch reads records from the log into the backlog, starting at from.
func (q *Queue) fetch(ctx context.Context, from Seq) error {
	found := false
	err := q.log.Read(ctx, from, func(seq Seq, record []byte) error {
		found = found || seq == from
		content, err := decodeRecord(kindQueue, bytes.Clone(record))
		if !q.fill(seq, content, damaged(seq, err)) {
			return errStop
		}
		return nil
	})
	if err = ignoreStop(err); err == nil && !found {
		q.fill(from, recordContent{}, damaged(from, fmt.Errorf("%w: it is missing", ErrCorrupt)))
	}
	return err
}

func (q *Queue) fill(seq Seq, content recordContent, damage error) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.backlog.fill(seq, content, damage)
}

func ignoreStop(err error) error {
	if errors.Is(err, errStop) {
		return nil
	}
	return err
}

// Ack marks records as handled, in any order.
func (q *Queue) Ack(seqs ...Seq) {
	q.mu.Lock()
	for _, seq := range seqs {
		q.backlog.ack(seq)
	}
	floor := q.backlog.floor
	q.mu.Unlock()
	q.cursor.advance(floor)
	q.signal()
}

// Floor returns the oldest record that is not durably acknowledged. No record
// before it is handed out after a restart.
func (q *Queue) Floor() Seq { return q.cursor.durable() }

// handledBelow returns the oldest record that is not acknowledged.
func (q *Queue) handledBelow() Seq {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.backlog.floor
}

// Range calls visit for every kept record from seq on, including handled and damaged
// ones. It stops at the first error of visit and returns it.
func (q *Queue) Range(ctx context.Context, from Seq, visit func(Record) error) error {
	return q.log.Read(ctx, from, func(seq Seq, record []byte) error {
		content, err := decodeRecord(kindQueue, bytes.Clone(record))
		return visit(Record{Seq: seq, At: content.at, Entries: content.entries, Damage: damaged(seq, err)})
	})
}

// damaged adds the number of the record to err, if err is not nil.
func damaged(seq Seq, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("record %d: %w", seq, err)
}

// Found returns the newest record of earlier processes, 0 for none. It and those before
// it may be handed out with Record.Again.
func (q *Queue) Found() Seq { return q.found }

// Stats returns the current state of the queue.
func (q *Queue) Stats() QueueStats {
	q.mu.Lock()
	s := q.backlog.stats()
	q.mu.Unlock()
	s.Bytes = q.log.Bytes()
	s.Lost = q.lost
	s.Retries = q.pack.retries.Load()
	s.UpkeepFailures = q.retain.failures.Load()
	return s
}

// Writable returns the error with which writing fails at present, or nil. Nothing more
// should be appended while it fails.
func (q *Queue) Writable() error { return q.pack.health.why() }

// Readable returns the error with which reading fails at present, or nil. Meanwhile Next
// hands out nothing, and everything that is appended is stored.
func (q *Queue) Readable() error { return q.reading.why() }

// Close waits until queued entries are written and the position of the consumer is
// recorded, or until ctx ends. Next returns ErrClosed from then on.
func (q *Queue) Close(ctx context.Context) error {
	q.closing.Do(func() { close(q.closed) })
	return errors.Join(q.pack.close(ctx), q.cursor.close(ctx))
}
