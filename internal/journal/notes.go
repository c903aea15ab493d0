package journal

import (
	"bytes"
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Notes is a log of history that nothing depends on. Adding an entry is cheap:
// entries wait in memory and become one record about once a second. A process that is
// killed loses the waiting ones. While the log cannot be written, entries beyond a
// memory limit are dropped and counted. Methods are safe for concurrent use.
type Notes struct {
	log    Log
	opts   NotesOptions
	retain retention
	// pack is the size of a full record in bytes.
	pack     int
	idPrefix string
	dropped  atomic.Int64
	failures atomic.Int64

	mu      sync.Mutex
	waiting []pile       // each fits a record, in order
	size    int          // of waiting, in bytes
	spare   []pile       // empty, for reuse
	asked   []chan error // from calls of Flush
	closed  bool

	worker

	// For run only: the pile that is being written, its encoded record, the encoder, and
	// the number of records so far, which makes their ids.
	writing pile
	record  []byte
	encoder encoder
	written uint64
}

// NotesOptions configure OpenNotes.
type NotesOptions struct {
	// KeepFor is how long entries stay readable. KeepBytes is the log size above which
	// the oldest are removed earlier; 0 means no such size.
	KeepFor   time.Duration
	KeepBytes int64
	// Every is how long entries wait to share a record with others; 0 means a second.
	Every time.Duration
	// MaxWaiting bounds the bytes that wait in memory; 0 means 16 MiB.
	MaxWaiting int
}

// NotesStats describe Notes at one moment.
type NotesStats struct {
	// Bytes is the size of the log on disk.
	Bytes int64
	// Dropped counts entries that were not written, Failures failed attempts to write
	// or to trim.
	Dropped, Failures int64
}

const (
	notesEvery   = time.Second
	notesWaiting = 16 << 20
	// notesPack bounds the entries of one record of notes, in bytes.
	notesPack = 2 << 20
	// sparePiles is how many empty piles are kept for reuse: under load one is being
	// filled, one is being written, and some wait.
	sparePiles = 4
)

// pile is a batch of entries in one buffer.
type pile struct {
	data []byte
	ends []int
}

func (p *pile) add(entry []byte) {
	p.data = append(p.data, entry...)
	p.ends = append(p.ends, len(p.data))
}

// entries returns the entries, which alias the pile.
func (p *pile) entries() [][]byte {
	out, from := make([][]byte, len(p.ends)), 0
	for i, end := range p.ends {
		out[i], from = p.data[from:end:end], end
	}
	return out
}

// OpenNotes opens the notes that are stored in log.
func OpenNotes(ctx context.Context, log Log, opts NotesOptions) *Notes {
	if opts.Every <= 0 {
		opts.Every = notesEvery
	}
	if opts.MaxWaiting <= 0 {
		opts.MaxWaiting = notesWaiting
	}
	n := &Notes{
		log: log, opts: opts, pack: notesPack, idPrefix: cryptorand.Text(),
		retain: retention{log: log, kind: kindNotes, keepFor: opts.KeepFor, keepBytes: opts.KeepBytes},
		worker: newWorker(),
	}
	if b, ok := log.(Bounded); ok {
		n.pack = min(n.pack, b.MaxRecord()/packShare)
	}
	n.start(ctx, n.run)
	return n
}

// Add adds a copy of entry. It does not block.
func (n *Notes) Add(entry []byte) {
	n.mu.Lock()
	if n.closed || len(entry) > n.pack || n.size+len(entry) > n.opts.MaxWaiting {
		n.mu.Unlock()
		n.dropped.Add(1)
		return
	}
	last := len(n.waiting) - 1
	full := last >= 0 && len(n.waiting[last].data)+len(entry) > n.pack
	if last < 0 || full {
		n.waiting = append(n.waiting, n.emptyLocked(full))
		last++
	}
	n.waiting[last].add(entry)
	first := n.size == 0
	n.size += len(entry)
	n.mu.Unlock()
	if first || full {
		n.nudge()
	}
}

// emptyLocked returns an empty pile. One that follows a full pile is likely to become
// full, too, so it is allocated at full size.
func (n *Notes) emptyLocked(follows bool) pile {
	if last := len(n.spare) - 1; last >= 0 {
		empty := n.spare[last]
		n.spare = n.spare[:last]
		return empty
	}
	if follows {
		return pile{data: make([]byte, 0, n.pack)}
	}
	return pile{}
}

// Flush waits until all entries that were added before are written and so readable.
func (n *Notes) Flush(ctx context.Context) error {
	done := make(chan error, 1)
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return ErrClosed
	}
	n.asked = append(n.asked, done)
	n.mu.Unlock()
	n.nudge()
	select {
	case err := <-done:
		return err
	case <-n.finished:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("write notes: %w", context.Cause(ctx))
	}
}

// Range calls visit for every kept record, oldest first, including damaged ones. It
// stops at the first error of visit and returns it.
func (n *Notes) Range(ctx context.Context, visit func(Record) error) error {
	return n.read(ctx, 0, visit)
}

// Tail is Range for the newest records only, as many as given. It reports whether there
// are older ones.
func (n *Notes) Tail(ctx context.Context, records int, visit func(Record) error) (older bool, err error) {
	first, next := n.log.Bounds()
	from := first
	if uint64(next-first) > uint64(records) {
		from = next - Seq(records)
	}
	return from > first, n.read(ctx, from, visit)
}

func (n *Notes) read(ctx context.Context, from Seq, visit func(Record) error) error {
	return n.log.Read(ctx, from, func(seq Seq, record []byte) error {
		content, err := decodeRecord(kindNotes, bytes.Clone(record))
		return visit(Record{Seq: seq, At: content.at, Entries: content.entries, Damage: damaged(seq, err)})
	})
}

// Stats returns the current state of the notes.
func (n *Notes) Stats() NotesStats {
	return NotesStats{Bytes: n.log.Bytes(), Dropped: n.dropped.Load(), Failures: n.failures.Load() + n.retain.failures.Load()}
}

// Close tries once to write the waiting entries, and waits for that until ctx ends.
func (n *Notes) Close(ctx context.Context) error {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	return n.stop(ctx, "notes to be written")
}

// run is the goroutine of the notes. It ends after Close.
func (n *Notes) run(ctx context.Context) {
	for wait := n.retain.trim(ctx, n.end()); ; {
		n.sleep(ctx, wait)
		all := n.linger(ctx)
		ended, err := n.write(ctx, all)
		if ended || ctx.Err() != nil {
			return
		}
		wait = n.retain.trim(ctx, n.end())
		switch {
		case err != nil:
			wait = trimPause
		case !all: // nothing else wakes run for the remaining entries
			wait = n.opts.Every
		}
	}
}

// end returns the end of the log. All records may be trimmed.
func (n *Notes) end() Seq {
	_, next := n.log.Bounds()
	return next
}

// linger waits for more entries, unless a Flush or Close is pending. It reports
// whether to write all entries, or only full records.
func (n *Notes) linger(ctx context.Context) (all bool) {
	late := time.NewTimer(n.opts.Every)
	defer late.Stop()
	for {
		n.mu.Lock()
		urgent, full := n.closed || len(n.asked) > 0, len(n.waiting) > 1
		n.mu.Unlock()
		if urgent || full {
			return urgent
		}
		select {
		case <-n.wake:
		case <-late.C:
			return true
		case <-ctx.Done():
			return true
		}
	}
}

// write writes all waiting entries, or only full records, and answers calls of Flush.
// ended reports that the notes are closed and nothing is left to try.
func (n *Notes) write(ctx context.Context, all bool) (ended bool, err error) {
	for err == nil && n.take(all) {
		if err = n.append(ctx); err == nil {
			n.recycle()
		}
	}
	n.mu.Lock()
	ended = n.closed && (err != nil || n.size == 0)
	var asked []chan error
	if err != nil || n.size == 0 { // otherwise they wait for entries that were added meanwhile
		asked, n.asked = n.asked, nil
	}
	n.mu.Unlock()
	for _, done := range asked {
		done <- err
	}
	return ended, err
}

// recycle keeps the memory of the written pile for reuse.
func (n *Notes) recycle() {
	n.mu.Lock()
	if len(n.spare) < sparePiles {
		n.spare = append(n.spare, pile{n.writing.data[:0], n.writing.ends[:0]})
	}
	n.mu.Unlock()
	n.writing = pile{}
}

// take selects the oldest pile to write, unless one is left from a failed attempt, and
// encodes it. It takes the newest pile only if all is set. It reports whether there is
// a pile to write. A record keeps its id through all attempts.
func (n *Notes) take(all bool) bool {
	if len(n.writing.ends) > 0 {
		return true
	}
	n.mu.Lock()
	if len(n.waiting) > 1 || all && len(n.waiting) > 0 {
		n.writing, n.waiting = n.waiting[0], n.waiting[1:]
		n.size -= len(n.writing.data)
	}
	n.mu.Unlock()
	if len(n.writing.ends) == 0 {
		return false
	}
	n.record = n.encoder.encode(kindNotes, time.Now(), n.writing.entries())
	n.written++
	return true
}

// append writes the record. If the log is full, it makes room first.
func (n *Notes) append(ctx context.Context) error {
	for {
		attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
		_, err := n.log.Append(attempt, fmt.Sprintf("%s-%d", n.idPrefix, n.written), n.record)
		cancel()
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ErrTooLarge):
			n.dropped.Add(int64(len(n.writing.ends)))
			return nil
		case errors.Is(err, ErrFull) && n.retain.makeRoom(ctx, n.end()):
			continue
		}
		n.failures.Add(1)
		return err
	}
}
