package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Bucket is a namespace of keys in a Ledger, such as "notice".
type Bucket string

// Op is one change of a Ledger: a put, or a delete when Value is nil.
type Op struct {
	Bucket Bucket
	Key    string
	Value  []byte
}

// LedgerOptions configure OpenLedger. The zero value is usable.
type LedgerOptions struct {
	// OnHealth is called when writing starts to fail (err) and when it works
	// again (nil). It runs on the ledger's goroutine and must not block.
	OnHealth func(err error)
	// OnAppend, if set, is called after every attempt to write a record, with its
	// duration, including the sync, and its error. It must not block.
	OnAppend func(took time.Duration, err error)
	// Rand is the source of the jitter of retries. Nobody else may use it; nil means
	// a new one.
	Rand *rand.Rand
	// CompactFrom is the log size in bytes up to which nothing is compacted; 0 means 16 MiB.
	CompactFrom int64
}

// LedgerStats describe a Ledger at one moment.
type LedgerStats struct {
	// Keys counts the live keys of all buckets.
	Keys int
	// LiveBytes is the size of their entries in the log, LogBytes that of the whole log.
	LiveBytes, LogBytes int64
	// Commits counts the calls of Commit that became durable, Records the records
	// that they were packed into.
	Commits, Records int64
	// Moved counts the entries that compaction rewrote at the end of the log.
	Moved int64
	// Missing counts the records that the log lacked when it was opened; it must be 0.
	Missing int64
	// Retries counts failed attempts to write, UpkeepFailures failed ones to compact.
	Retries, UpkeepFailures int64
}

// inlineValue is the size up to which a value is kept in memory. Larger ones
// are read back from the log, so that a destination that is down for days costs
// disk and not memory.
const inlineValue = 512

// readTimeout bounds reading one value from the log.
const readTimeout = 10 * time.Second

// Ledger is a durable map of small values. Its Log holds every change in order; an
// index in memory locates the live ones. The Log should have no size limit, since compaction
// has to write before it can free space. A Ledger is safe for concurrent use.
type Ledger struct {
	log  Log
	pack *packer
	life context.Context //nolint:containedctx // the lifetime of the ledger, for Get, which has none of its own
	end  context.CancelFunc

	mu    sync.RWMutex
	index index

	cache recordCache
	stats ledgerCounters

	compactFrom int64
	compaction  compaction // by the packer's goroutine only
}

// OpenLedger opens the ledger in log, of which it reads all. It fails with ErrCorrupt
// if there is a record that this release cannot decode.
func OpenLedger(ctx context.Context, log Log, opts LedgerOptions) (*Ledger, error) {
	l := &Ledger{log: log, index: newIndex(), cache: newRecordCache(cacheBytes), compactFrom: opts.CompactFrom}
	if l.compactFrom <= 0 {
		l.compactFrom = compactFrom
	}
	expected, next := log.Bounds()
	missing := func(seq Seq) {
		l.stats.missing.Add(int64(seq - expected))
		expected = seq + 1
	}
	err := log.Read(ctx, expected, func(seq Seq, record []byte) error {
		missing(seq)
		content, err := decodeRecord(kindLedger, record)
		if err != nil {
			return fmt.Errorf("record %d: %w", seq, err)
		}
		return l.index.apply(seq, content.entries)
	})
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	missing(next)
	l.life, l.end = context.WithCancel(context.WithoutCancel(ctx))
	l.pack = newPacker(log, kindLedger, packerHooks{
		tell:     opts.OnHealth,
		appended: opts.OnAppend,
		rand:     opts.Rand,
		stored:   l.stored,
		makeRoom: l.makeRoom,
		upkeep:   l.compact,
	})
	l.pack.start(ctx, l.pack.run)
	return l, nil
}

// Commit applies ops atomically: after a crash all of them are there or none. done
// runs on the ledger's goroutine when they are durable and visible to Get. Its error
// is nil, ErrClosed, or ErrTooLarge when they do not fit a record. Commit does not
// block and keeps the order of calls; ops and their values may be reused after it
// returns. When the ledger is closed already, done runs before Commit returns.
func (l *Ledger) Commit(ops []Op, done func(error)) {
	size := 0
	for _, op := range ops {
		size += opSize(op)
	}
	slab, entries := slabs.take(size), make([][]byte, len(ops))
	for i, op := range ops {
		start := len(*slab)
		*slab = appendOp(*slab, op)
		entries[i] = (*slab)[start:]
	}
	l.pack.add(entries, func(_ Seq, _ int, err error) {
		slabs.put(slab)
		if err == nil {
			l.stats.commits.Add(1)
		}
		done(err)
	})
}

// slabs holds the encoded changes of commits that wait to be written.
var slabs slabPool

// slabPool is a pool of byte slices by size class, powers of two. With a single class
// small commits would hold the memory of large ones.
type slabPool [bits.UintSize + 1]sync.Pool

// smallestSlab is the smallest size class.
const smallestSlab = 1 << 10

// take returns an empty slab with room for size bytes.
func (p *slabPool) take(size int) *[]byte {
	class := bits.Len(uint(max(size, smallestSlab) - 1))
	if slab, ok := p[class].Get().(*[]byte); ok {
		*slab = (*slab)[:0]
		return slab
	}
	slab := make([]byte, 0, 1<<class)
	return &slab
}

// put returns a slab to the pool.
func (p *slabPool) put(slab *[]byte) { p[bits.Len(uint(cap(*slab)-1))].Put(slab) }

// stored makes a durable record visible.
func (l *Ledger) stored(seq Seq, content recordContent) {
	l.stats.records.Add(1)
	l.mu.Lock()
	err := l.index.apply(seq, content.entries)
	l.mu.Unlock()
	if err != nil {
		panic(fmt.Sprintf("BUG: ledger cannot read what it wrote: %v", err))
	}
}

// Get returns the value of a key and whether there is one. The slice must not be
// changed. A value of more than 512 bytes may be read from the log, which can fail.
func (l *Ledger) Get(b Bucket, key string) ([]byte, bool, error) {
	for {
		s, ok := l.find(b, key)
		if !ok {
			return nil, false, nil
		}
		if s.size <= inlineValue {
			return s.inline, true, nil
		}
		value, err := l.load(s.at())
		if err == nil {
			return value, true, nil
		}
		now, still := l.find(b, key)
		if still && now.at() == s.at() { // else it was moved or changed during the read: try again
			return nil, false, fmt.Errorf("read %s %q: %w", b, key, err)
		}
	}
}

// find returns the index entry of a live key, with a copy of the inline value.
func (l *Ledger) find(b Bucket, key string) (slot, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	s, ok := l.index.find(b, []byte(key))
	s.inline = slices.Clone(s.inline)
	return s, ok
}

// load reads a value that is not kept in memory.
func (l *Ledger) load(at place) ([]byte, error) {
	content, ok := l.cache.get(at.seq)
	if !ok {
		ctx, cancel := context.WithTimeout(l.life, readTimeout)
		defer cancel()
		var err error
		if content, err = readRecord(ctx, l.log, kindLedger, at.seq); err != nil {
			return nil, err
		}
		l.cache.put(at.seq, content)
	}
	if int(at.entry) >= len(content.entries) {
		return nil, fmt.Errorf("%w: record %d has no entry %d", ErrCorrupt, at.seq, at.entry)
	}
	op, err := decodeOp(content.entries[at.entry])
	return op.value, err
}

// errStop ends a Read early.
var errStop = errors.New("enough was read")

// readRecord returns the record at seq. The content is a copy.
func readRecord(ctx context.Context, log Log, k kind, seq Seq) (recordContent, error) {
	content, err := recordContent{}, error(nil)
	found := false
	read := log.Read(ctx, seq, func(got Seq, record []byte) error {
		if found = got == seq; found {
			content, err = decodeRecord(k, slices.Clone(record))
		}
		return errStop
	})
	switch {
	case read != nil && !errors.Is(read, errStop):
		return recordContent{}, read
	case !found:
		return recordContent{}, fmt.Errorf("%w: record %d is missing", ErrCorrupt, seq)
	}
	return content, err
}

// Range calls visit for every key of a bucket, in no order, until it returns
// false. It works on a snapshot of the keys; a key deleted meanwhile is skipped.
func (l *Ledger) Range(b Bucket, visit func(key string, value []byte) bool) error {
	return l.Select(b, func(string) bool { return true }, visit)
}

// Select is Range for the keys for which want returns true. It reads no other values, so
// looking for a few among many is cheap. want must not call the ledger.
func (l *Ledger) Select(b Bucket, want func(key string) bool, visit func(key string, value []byte) bool) error {
	type found struct {
		key string
		at  place
	}
	l.mu.RLock()
	var keys []found
	l.index.each(b, func(key string, at place) {
		if want(key) {
			keys = append(keys, found{key, at})
		}
	})
	l.mu.RUnlock()
	// Read in the order of the log, so that each record is read once.
	slices.SortFunc(keys, func(x, y found) int { return x.at.compare(y.at) })
	for _, k := range keys {
		value, ok, err := l.Get(b, k.key)
		if err != nil {
			return err
		}
		if ok && !visit(k.key, value) {
			return nil
		}
	}
	return nil
}

// Size returns the size of a value in bytes without reading it, 0 when there is none.
func (l *Ledger) Size(b Bucket, key string) int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	s, _ := l.index.find(b, []byte(key))
	return int(s.size)
}

// Len returns the number of keys in a bucket.
func (l *Ledger) Len(b Bucket) int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.index.size(b)
}

// Stats describes the ledger.
func (l *Ledger) Stats() LedgerStats {
	l.mu.RLock()
	keys, live := l.index.keys, l.index.liveBytes
	l.mu.RUnlock()
	return LedgerStats{
		Keys:           keys,
		LiveBytes:      live,
		LogBytes:       l.log.Bytes(),
		Commits:        l.stats.commits.Load(),
		Records:        l.stats.records.Load(),
		Moved:          l.stats.moved.Load(),
		Missing:        l.stats.missing.Load(),
		Retries:        l.pack.retries.Load(),
		UpkeepFailures: l.stats.upkeepFailures.Load(),
	}
}

// Writable returns the error with which writing fails at present, or nil.
func (l *Ledger) Writable() error { return l.pack.health.why() }

// Close waits until queued commits are written or ctx ends. Get continues to work for
// values that are in memory; the log stays open.
func (l *Ledger) Close(ctx context.Context) error {
	defer l.end()
	return l.pack.close(ctx)
}

// compare orders places by their position in the log.
func (p place) compare(other place) int {
	return cmp.Or(cmp.Compare(p.seq, other.seq), cmp.Compare(p.entry, other.entry))
}
