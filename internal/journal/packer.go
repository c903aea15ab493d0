package journal

import (
	"cmp"
	"context"
	cryptorand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"butler/internal/backoff"
)

// Bounds of group commit. They limit a pack, not a single request: what was
// handed over in one call always stays in one record.
const (
	packEntries = 4096
	// packShare is the part of the largest record that a pack may fill: 4 MiB.
	packShare = 4
	// maxRecord is the size that no record exceeds; a Log may have a smaller one.
	maxRecord = 16 << 20
)

// attemptTimeout bounds one attempt to append a record; retry is the wait between attempts.
const attemptTimeout = 10 * time.Second

var retry = backoff.Policy{Min: 20 * time.Millisecond, Base: 100 * time.Millisecond, Max: 5 * time.Second}

// never is what upkeep returns when only new work makes it necessary again.
const never time.Duration = -1

// packer is the group commit: all waiting requests are packed into one record and
// appended, then the next ones. There is no timer, so an idle journal adds no delay;
// under load, packs grow while the previous one is being written.
// Exactly one append is in flight, so that a retry keeps the order. A second one in
// flight made BenchmarkLog_Append of journal/jetstream only 6 % faster.
//
// One goroutine, run, is started by start and ends with close. It runs the callbacks
// and all hooks but tell.
type packer struct {
	log       Log
	kind      kind
	hooks     packerHooks
	health    health
	maxBytes  int     // of a record
	idPrefix  string  // tells this opening of the log from every other
	encoder   encoder // run only
	written   uint64  // records, to number the ids; run only
	abandoned error   // ErrClosed once a pack was given up; run only
	retries   atomic.Int64

	mu      sync.Mutex
	waiting []request
	closed  bool

	worker
}

// packerHooks are the parts in which the owners of a packer differ. All but rand and tell
// run on the packer's goroutine only.
type packerHooks struct {
	// tell is the owner's OnHealth.
	tell func(error)
	// appended is the owner's OnAppend, or nil.
	appended func(took time.Duration, err error)
	// rand is the source of the jitter of retries; nil means a new one.
	rand *rand.Rand
	// stored is called with every record that became durable, before the callbacks of its requests.
	stored func(Seq, recordContent)
	// makeRoom is called when the log is full. It reports whether it removed something.
	makeRoom func(context.Context) bool
	// upkeep is called between packs and returns when to call it again, or never.
	upkeep func(context.Context) time.Duration
}

// request holds the entries of one call, which are written in one record.
type request struct {
	entries [][]byte
	size    int
	refused error // set when it can never be written
	done    func(seq Seq, base int, err error)
}

// newPacker returns the group commit for log. It does nothing before start.
func newPacker(log Log, k kind, hooks packerHooks) *packer {
	if hooks.rand == nil {
		hooks.rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	p := &packer{
		log:      log,
		kind:     k,
		hooks:    hooks,
		health:   health{tell: hooks.tell},
		maxBytes: maxRecord,
		idPrefix: cryptorand.Text(),
		worker:   newWorker(),
	}
	if b, ok := log.(Bounded); ok {
		p.maxBytes = min(p.maxBytes, b.MaxRecord())
	}
	return p
}

// add queues entries, which the caller must not change any more. done always runs:
// before add returns, with ErrClosed, if the packer is closed, and on the packer's
// goroutine otherwise.
func (p *packer) add(entries [][]byte, done func(seq Seq, base int, err error)) {
	r := request{entries: entries, done: done}
	for _, e := range entries {
		r.size += len(e)
	}
	if size := recordSize(len(entries), r.size); size > p.maxBytes {
		r = request{done: done, refused: fmt.Errorf("%w: %d bytes, at most %d fit", ErrTooLarge, size, p.maxBytes)}
	}
	p.mu.Lock()
	closed := p.closed
	if !closed {
		p.waiting = append(p.waiting, r)
	}
	p.mu.Unlock()
	if closed {
		done(0, 0, ErrClosed)
		return
	}
	p.nudge()
}

// close refuses new requests, waits for the queued ones until ctx ends and abandons the rest.
func (p *packer) close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	return p.stop(ctx, "queued journal writes")
}

func (p *packer) run(ctx context.Context) {
	for {
		batch, closed := p.take()
		if len(batch) == 0 && closed {
			return
		}
		p.commit(ctx, batch)
		if len(batch) > 1 {
			runtime.Gosched() // lets other goroutines add to the next pack
		}
		wait := p.hooks.upkeep(ctx)
		if len(batch) == 0 && wait != 0 {
			p.sleep(ctx, wait)
		}
	}
}

// take removes from the waiting requests as many as fit one pack, at least one.
func (p *packer) take() (batch []request, closed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, entries, size := 0, 0, 0
	for _, r := range p.waiting {
		entries += len(r.entries)
		size += r.size
		if n > 0 && (entries > packEntries || recordSize(entries, size) > p.maxBytes/packShare) {
			break
		}
		n++
	}
	batch = slices.Clone(p.waiting[:n])
	clear(p.waiting[:n])
	p.waiting = p.waiting[n:]
	if len(p.waiting) == 0 {
		p.waiting = nil
	}
	return batch, p.closed
}

// commit writes one pack and runs its callbacks.
func (p *packer) commit(ctx context.Context, batch []request) {
	count := 0
	for _, r := range batch {
		count += len(r.entries)
	}
	entries := make([][]byte, 0, count)
	for _, r := range batch {
		entries = append(entries, r.entries...)
	}
	seq, err := Seq(0), p.abandoned // nothing may succeed after a pack that was given up
	if err == nil && len(entries) > 0 {
		seq, err = p.write(ctx, entries)
	}
	if errors.Is(err, ErrClosed) {
		p.abandoned = err
	}
	base := 0
	for _, r := range batch {
		if failed := cmp.Or(r.refused, err); failed != nil {
			r.done(0, 0, failed)
			continue
		}
		r.done(seq, base, nil)
		base += len(r.entries)
	}
}

// write writes entries as one record, and retries until ctx ends. The record keeps its
// id through all attempts, so one that was written although an error was reported is
// not written twice. That can only happen in an outage longer than the log remembers
// ids; then the copies are adjacent and replay to the same state.
func (p *packer) write(ctx context.Context, entries [][]byte) (Seq, error) {
	content := recordContent{at: time.Now(), entries: entries}
	record := p.encoder.encode(p.kind, content.at, entries)
	p.written++
	id := fmt.Sprintf("%s-%d", p.idPrefix, p.written)
	for failures := 1; ; failures++ {
		seq, err := p.attempt(ctx, id, record)
		switch {
		case err == nil:
			p.health.set(nil)
			p.hooks.stored(seq, content)
			return seq, nil
		case ctx.Err() != nil, errors.Is(err, ErrClosed):
			return 0, ErrClosed
		case errors.Is(err, ErrTooLarge):
			return 0, err
		}
		p.retries.Add(1)
		if errors.Is(err, ErrFull) && p.hooks.makeRoom(ctx) {
			continue
		}
		p.health.set(err)
		p.pause(ctx, retry.Delay(failures, p.hooks.rand))
	}
}

func (p *packer) attempt(ctx context.Context, id string, record []byte) (Seq, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	began := time.Now()
	seq, err := p.log.Append(ctx, id, record)
	if p.hooks.appended != nil {
		p.hooks.appended(time.Since(began), err)
	}
	return seq, err
}

// pause waits for d or the end of ctx; unlike sleep, a nudge does not end it.
func (p *packer) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
