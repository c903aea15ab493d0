// Package jetstream keeps journal logs in NATS JetStream: an embedded server
// without a listening port. Each log is a stream with one subject.
//
// It guarantees that Append returns after its record was synced to disk, unless
// Options.SyncInterval says otherwise, that one directory is used by one process at a
// time, and that a server that gave up after a write error is replaced without
// restarting the process. Damaged files are detected when the store is opened: all
// whole parts of them are used, a copy is kept, and losses are counted and reported,
// those of whole files included. One loss is not detected: that of the newest records
// of a process that was killed, if it looks like a write in progress and the log was
// neither opened nor trimmed since. A file that becomes unreadable later is retried
// for minutes before its records count as lost.
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
	// SyncInterval trades durability for CPU time: 0 syncs before every acknowledgement.
	// With any other value, records survive the death of the process, but a power
	// failure may lose those of that interval.
	SyncInterval time.Duration
	// Logger gets the messages of the server and the connection; nil drops them.
	Logger *zap.Logger
}

const (
	// prefix is the prefix of the names of streams and subjects.
	prefix = "BUTLER"
	// dedupWindow is how long an id is remembered: longer than two attempts of one
	// append can be apart. Every record takes memory for that long.
	dedupWindow = 30 * time.Second
	// callTimeout bounds a call whose context has no earlier deadline.
	callTimeout = 5 * time.Second
	// callGrace is the rest of that timeout after the server reported an error.
	callGrace = 200 * time.Millisecond
	// reopenEvery is the minimum time between two replacements of a broken server.
	reopenEvery = time.Second
)

// Store is a journal.Store in JetStream.
type Store struct {
	opts Options
	log  *zap.Logger
	lock *dirLock

	// damage is what was found when the directory was opened, and reported since;
	// orderly says whether the previous process ended in order.
	damage  []journal.Damage
	orderly bool

	diaryMu sync.Mutex // separate from mu, which must not be held during a write
	diary   diary

	mu     sync.Mutex
	logs   map[string]*log // by stream
	engine *engine         // nil when the last attempt to start one failed
	opened time.Time
	full   bool // whether the disk was full when last checked
	closed bool
}

// Open locks and inspects the directory and starts the server.
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
	if err = s.makeRoom(probe); err == nil {
		err = s.inspect()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open journal: %w", err), s.lock.release())
	}
	if !s.full {
		s.keepReserve()
	}
	if s.engine, err = startEngine(s.opts, s.log); err != nil {
		return nil, errors.Join(fmt.Errorf("open journal: %w", err), s.lock.release())
	}
	return s, nil
}

// makeRoom gives up the reserve on a disk without room to start a server, as probe finds.
func (s *Store) makeRoom(probe func(dir string, size int) error) error {
	err := probe(s.opts.Dir, roomToStart)
	if errors.Is(err, journal.ErrFull) {
		s.log.Warn("journal starts on a full disk, with the space that it has in reserve", logx.Path(s.opts.Dir))
		s.full = true
		dropReserve(s.opts.Dir)
		err = probe(s.opts.Dir, roomToStart)
	}
	return err
}

// inspect checks and repairs the files that the previous process left.
func (s *Store) inspect() error {
	found, err := inspect(s.opts.Dir, s.log)
	if err != nil && errors.Is(storageError(err), journal.ErrFull) { // repairs need space
		s.full = true
		dropReserve(s.opts.Dir)
		found, err = inspect(s.opts.Dir, s.log)
	}
	if err != nil {
		return err
	}
	s.damage, s.diary, s.orderly = found.damage, found.diary, found.diary.Closed
	if !s.note(func(d *diary) { d.Closed = false }) {
		// A missing diary is better than one that calls the end of this process orderly.
		return os.RemoveAll(filepath.Join(s.opts.Dir, diaryName))
	}
	return nil
}

// Damage returns the damage that was newly found when the store was opened, and that
// reported by Tell since.
func (s *Store) Damage() []journal.Damage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.damage)
}

// Tell adds a loss found by the reader of a log: records that others refer to and that
// do not exist.
func (s *Store) Tell(d journal.Damage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.damage = append(s.damage, d)
	tell(s.opts.Dir, s.log, time.Now(), d)
}

// Orderly reports whether the previous process closed the store.
func (s *Store) Orderly() bool { return s.orderly }

// Kept returns the directory with copies of damaged files, or "" if there are none.
func (s *Store) Kept() string {
	dir := filepath.Join(s.opts.Dir, damagedDir)
	if files, err := os.ReadDir(dir); err != nil || len(files) == 0 {
		return ""
	}
	return dir
}

// InPlace returns an error if the directory was removed or replaced since it was opened.
func (s *Store) InPlace() error { return s.lock.inPlace() }

// Close stops the server. Every call returns journal.ErrClosed from then on.
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

// Open returns the log called name. A limit other than that of an earlier Open
// replaces it.
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

// purpose is what the caller needs the engine for.
type purpose int

const (
	toAppend purpose = iota
	toRead
	toTrim
)

// running returns the engine. A broken one is replaced first: at once for a trim, which
// may be the cure, otherwise at most every reopenEvery. Nothing is appended while the
// disk is full, so that a server that still works for reading is not broken again and
// again.
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

// forgetIndexes makes the server read every block again. The index of a server that
// failed may contain a record that never reached the disk; the next server would leave
// a gap in its place.
func (s *Store) forgetIndexes() error {
	for stream := range s.logs {
		if err := forgetIndex(streamPath(s.opts.Dir, stream)); err != nil {
			return err
		}
	}
	return nil
}

var _ journal.Store = (*Store)(nil)
