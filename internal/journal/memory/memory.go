// Package memory keeps journal logs in memory, for tests and for runs that need
// no durability.
//
// It guarantees what every journal.Store does, except that nothing survives the
// process: Crash and Reopen simulate its death and its restart. It starts no goroutine
// and never blocks, so it may be used in a synctest bubble. It must never be the default.
package memory

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"sync"

	"butler/internal/journal"
)

// Store holds logs in memory. It implements journal.Store and is safe for concurrent use.
type Store struct {
	disk *disk

	// mu is held for reading during every write, so that no write happens after Crash
	// returned.
	mu     sync.RWMutex
	closed bool
}

// disk is the content that outlives a Store.
type disk struct {
	mu   sync.Mutex
	logs map[string]*data
}

// New returns an empty store.
func New() *Store { return &Store{disk: &disk{logs: map[string]*data{}}} }

// Open returns the log called name.
func (s *Store) Open(ctx context.Context, name string, limits journal.Limits) (journal.Log, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usableLocked(ctx); err != nil {
		return nil, fmt.Errorf("open log %s: %w", name, err)
	}
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	d, ok := s.disk.logs[name]
	if !ok {
		d = &data{first: 1, ids: map[string]journal.Seq{}}
		s.disk.logs[name] = d
	}
	return &log{store: s, data: d, limits: limits}, nil
}

// Close makes every call on the store and its logs return journal.ErrClosed.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// Crash simulates the death of the process: it closes the store and returns the one
// that a restart opens, with everything that was acknowledged and nothing written later.
func (s *Store) Crash() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return &Store{disk: s.disk}
}

// Reopen closes the store and returns a new one with its content.
func (s *Store) Reopen() *Store { return s.Crash() }

func (s *Store) usableLocked(ctx context.Context) error {
	if s.closed {
		return journal.ErrClosed
	}
	return ctx.Err()
}

// log is one log of a store.
type log struct {
	store  *Store
	data   *data
	limits journal.Limits
}

// MaxRecord implements journal.Bounded.
func (l *log) MaxRecord() int {
	if l.limits.MaxBytes > 0 {
		return int(l.limits.MaxBytes) - idRoom
	}
	return math.MaxInt
}

// idRoom is the size that is reserved for the id of a record.
const idRoom = 64

// Append implements journal.Log.
func (l *log) Append(ctx context.Context, id string, record []byte) (journal.Seq, error) {
	l.store.mu.RLock()
	defer l.store.mu.RUnlock()
	if err := l.store.usableLocked(ctx); err != nil {
		return 0, err
	}
	return l.data.append(id, record, l.limits.MaxBytes)
}

// Read implements journal.Log. No lock is held while visit runs. As the port allows,
// its slice is overwritten by the next record.
func (l *log) Read(ctx context.Context, from journal.Seq, visit func(journal.Seq, []byte) error) error {
	var scratch []byte
	for _, end := l.Bounds(); from < end; from++ {
		if err := l.usable(ctx); err != nil {
			return err
		}
		seq, record, ok := l.data.at(from)
		if !ok || seq >= end {
			return nil
		}
		from, scratch = seq, append(scratch[:0], record...)
		if err := visit(seq, scratch); err != nil {
			return err
		}
	}
	return l.usable(ctx)
}

func (l *log) usable(ctx context.Context) error {
	l.store.mu.RLock()
	defer l.store.mu.RUnlock()
	return l.store.usableLocked(ctx)
}

// Trim implements journal.Log.
func (l *log) Trim(ctx context.Context, before journal.Seq) error {
	l.store.mu.RLock()
	defer l.store.mu.RUnlock()
	if err := l.store.usableLocked(ctx); err != nil {
		return err
	}
	l.data.trim(before)
	return nil
}

// Bounds implements journal.Log.
func (l *log) Bounds() (first, next journal.Seq) {
	l.data.mu.Lock()
	defer l.data.mu.Unlock()
	return l.data.first, l.data.next()
}

// Bytes implements journal.Log.
func (l *log) Bytes() int64 {
	l.data.mu.Lock()
	defer l.data.mu.Unlock()
	return l.data.bytes
}

// data is the content of one log.
type data struct {
	mu      sync.Mutex
	first   journal.Seq
	records []record
	ids     map[string]journal.Seq
	bytes   int64
}

// record is one record with the id of its Append. It never changes.
type record struct {
	id   string
	body []byte
}

func (r record) size() int64 { return int64(len(r.id) + len(r.body)) }

func (d *data) next() journal.Seq { return d.first + journal.Seq(len(d.records)) }

func (d *data) append(id string, body []byte, limit int64) (journal.Seq, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if seq, ok := d.ids[id]; ok {
		return seq, nil
	}
	r := record{id: id, body: bytes.Clone(body)}
	if limit > 0 && d.bytes+r.size() > limit {
		return 0, journal.ErrFull
	}
	seq := d.next()
	d.records = append(d.records, r)
	d.ids[id] = seq
	d.bytes += r.size()
	return seq, nil
}

// at returns the first record from seq on.
func (d *data) at(seq journal.Seq) (journal.Seq, []byte, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	seq = max(seq, d.first)
	if seq >= d.next() {
		return 0, nil, false
	}
	return seq, d.records[seq-d.first].body, true
}

func (d *data) trim(before journal.Seq) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.first < min(before, d.next()) {
		r := d.records[0]
		d.bytes -= r.size()
		delete(d.ids, r.id)
		d.records[0] = record{}
		d.records = d.records[1:]
		d.first++
	}
	d.first = max(d.first, before)
}

var _ journal.Store = (*Store)(nil)
