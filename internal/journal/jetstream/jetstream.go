// Package jetstream keeps journal logs in NATS JetStream: an embedded server
// without a listening port. Each log is a stream with one subject.
//
// It guarantees that Append returns after its record was synced to disk, unless Options.SyncInterval says otherwise, that one directory is used
// by one process at a time, and that a server which gave up after a write error
// is replaced by a fresh one without restarting the process. Damaged files are
// found when the store is opened: everything in them that is whole is used, a
// copy is kept, and what is lost is counted and told, whole files included. Not
// found is the loss of the newest records of a process that was killed, where it
// looks like a write that was under way and the log was neither opened nor
// trimmed since. A file that cannot be read later on is tried again for minutes
// before what is in it counts as lost.
//
// It must never listen on a port, handle a signal or end the process, and no
// other package may import NATS.
//
// Goroutines: those of the NATS server and client, from Open to Close.
package jetstream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/zap"

	"butler/internal/journal"
	"butler/internal/logx"
)

// Options configure Open. Dir is required.
type Options struct {
	// Dir is where the server keeps its files; it is created with mode 0700.
	Dir string
	// SyncInterval trades durability for CPU time: 0 syncs
	// before every acknowledgement, anything else survives the death of the
	// process but may lose that much to a power failure.
	SyncInterval time.Duration
	// Logger gets what the server and the connection have to tell; nil drops it.
	Logger *zap.Logger
}

const (
	// prefix begins the names of streams and subjects.
	prefix = "BUTLER"
	// dedupWindow is how long an id is remembered: longer than two attempts of
	// one append can be apart. Every record costs memory for that long.
	dedupWindow = 30 * time.Second
	// callTimeout bounds a call whose context is not stricter.
	callTimeout = 5 * time.Second
	// callGrace is what is left of that after the server reported an error.
	callGrace = 200 * time.Millisecond
	// reopenEvery is the least time between two replacements of a broken server.
	reopenEvery = time.Second
)

// Store is a journal.Store in JetStream.
type Store struct {
	opts Options
	log  *zap.Logger
	lock *dirLock

	// damage is what was found when the directory was opened, orderly whether the
	// process before ended in order.
	damage  []journal.Damage
	orderly bool

	diaryMu sync.Mutex // apart from mu, which nobody may hold for as long as a write takes
	diary   diary

	mu     sync.Mutex
	logs   map[string]*log // by stream
	engine *engine         // nil when the last attempt to start one failed
	opened time.Time
	full   bool // the disk, when last heard of
	closed bool
}

// Open starts the server.
func Open(ctx context.Context, opts Options) (*Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if opts.Logger == nil {
		opts.Logger = zap.NewNop()
	}
	s := &Store{opts: opts, log: opts.Logger, logs: map[string]*log{}}
	var err error
	if s.lock, err = lockDir(opts.Dir); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	if err := s.inspect(); err != nil {
		return nil, errors.Join(fmt.Errorf("open journal: %w", err), s.lock.release())
	}
	s.keepReserve()
	if s.engine, err = startEngine(s.opts, s.log); err != nil {
		return nil, errors.Join(fmt.Errorf("open journal: %w", err), s.lock.release())
	}
	return s, nil
}

// inspect looks at what the process before has left.
func (s *Store) inspect() error {
	found, err := inspect(s.opts.Dir, s.log)
	if err != nil && errors.Is(storageError(err), journal.ErrFull) { // what is mended has to be written
		dropReserve(s.opts.Dir)
		found, err = inspect(s.opts.Dir, s.log)
	}
	if err != nil {
		return err
	}
	s.damage, s.diary, s.orderly = found.damage, found.diary, found.diary.Closed
	if !s.note(func(d *diary) { d.Closed = false }) {
		// Better no diary than one that calls the end of this process orderly.
		return os.RemoveAll(filepath.Join(s.opts.Dir, diaryName))
	}
	return nil
}

// Damage returns what was found wrong when the store was opened, and not before,
// and what was told since.
func (s *Store) Damage() []journal.Damage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.damage)
}

// Tell adds a loss that a reader of a log has found: of records that others name, and that are not there.
func (s *Store) Tell(d journal.Damage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.damage = append(s.damage, d)
	tell(s.opts.Dir, s.log, time.Now(), d)
}

// Orderly reports whether the process before closed the store.
func (s *Store) Orderly() bool { return s.orderly }

// Kept returns the directory with copies of damaged files, "" when there are none (any more).
func (s *Store) Kept() string {
	dir := filepath.Join(s.opts.Dir, damagedDir)
	if files, err := os.ReadDir(dir); err != nil || len(files) == 0 {
		return ""
	}
	return dir
}

// Close stops the server. Every call answers
// journal.ErrClosed from then on.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	whole := s.engine != nil && !s.engine.broken.Load()
	if s.engine != nil {
		s.engine.stop()
	}
	s.note(func(d *diary) {
		d.Closed = whole
		for stream, l := range s.logs {
			d.Streams[stream] = d.Streams[stream].bounds(l.Bounds())
		}
	})
	return s.lock.release()
}

// Open returns the log called name. A limit that differs from the one the log
// was opened with before replaces it.
func (s *Store) Open(ctx context.Context, name string, limits journal.Limits) (journal.Log, error) {
	eng, err := s.running(toRead)
	if err != nil {
		return nil, fmt.Errorf("open log %s: %w", name, err)
	}
	cfg := jetstream.StreamConfig{
		Name:        prefix + "_" + name,
		Subjects:    []string{prefix + "." + name},
		Storage:     jetstream.FileStorage,
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardNew,
		MaxBytes:    -1,
		Duplicates:  dedupWindow,
		AllowDirect: true,
	}
	if limits.MaxBytes > 0 {
		cfg.MaxBytes = limits.MaxBytes
	}
	call, cancel := eng.call(ctx)
	defer cancel()
	stream, err := eng.js.CreateOrUpdateStream(call, cfg)
	if err != nil {
		return nil, fmt.Errorf("open log %s: %w", name, s.explain(ctx, eng, err))
	}
	l := &log{store: s, stream: cfg.Name, subject: cfg.Subjects[0], maxRecord: eng.maxRecord()}
	if limits.MaxBytes > 0 {
		l.maxRecord = min(l.maxRecord, int(limits.MaxBytes)-headerRoom)
	}
	l.note(stream.CachedInfo().State)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, journal.ErrClosed
	}
	s.logs[l.stream] = l
	first, next := l.Bounds()
	l.expected = s.noteBounds(l.stream, first, next)
	if err := copyMeta(streamPath(s.opts.Dir, l.stream), metaPath(s.opts.Dir, l.stream)); err != nil {
		s.log.Warn("journal cannot keep a copy of the description of a log", logx.Err(err))
	}
	return l, nil
}

// purpose is what the engine is wanted for.
type purpose int

const (
	toAppend purpose = iota
	toRead
	toTrim
)

// running returns the engine. One that broke is replaced first: at once for a
// trim, which may be the cure, else not more often than reopenEvery. While the
// disk is full nothing is appended, so that a server which is good enough for
// reading is not broken again and again.
func (s *Store) running(p purpose) (*engine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, journal.ErrClosed
	}
	switch {
	case s.full && p == toTrim:
		dropReserve(s.opts.Dir)
	case s.full && p == toAppend:
		if err := probe(s.opts.Dir, roomToAppend); err != nil {
			return nil, err
		}
		s.full = false
	}
	if s.engine != nil && !s.engine.broken.Load() {
		return s.engine, nil
	}
	if p != toTrim && time.Since(s.opened) < reopenEvery {
		return nil, fmt.Errorf("%w: storage failed, about to open it again", journal.ErrUnavailable)
	}
	return s.reopenLocked()
}

func (s *Store) reopenLocked() (*engine, error) {
	defer func() { s.opened = time.Now() }()
	if s.engine != nil {
		s.engine.stop()
		s.engine = nil
	}
	if err := s.forgetIndexes(); err != nil {
		return nil, storageError(err)
	}
	eng, err := startEngine(s.opts, s.log)
	if err != nil {
		return nil, err
	}
	s.log.Info("journal storage opened again")
	s.engine = eng
	return eng, nil
}

// forgetIndexes makes the server read every block anew. The index of one that failed
// may tell of a record that never got to disk, and the next one would leave its place empty.
func (s *Store) forgetIndexes() error {
	for stream := range s.logs {
		if err := forgetIndex(streamPath(s.opts.Dir, stream)); err != nil {
			return err
		}
	}
	return nil
}

var _ journal.Store = (*Store)(nil)
