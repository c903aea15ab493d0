// Package faulty wraps a journal.Store so that it fails as real storage does, by rules
// that can be changed at any time.
//
// It guarantees that failures depend only on the seed and the order of calls, and that
// a record it acknowledges is in the wrapped store. Its nastiest fault is a write that
// succeeds and is reported as failed. It must only be used in tests and simulations. It
// starts no goroutine.
package faulty

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"butler/internal/journal"
)

// Rules say which calls fail. Probabilities are between 0, never, and 1, always.
type Rules struct {
	// BeforeWrite is the probability that Append fails and writes nothing.
	BeforeWrite float64
	// AfterWrite is the probability that Append writes and then reports a failure.
	AfterWrite float64
	// Read and Trim are the probabilities that these calls fail.
	Read, Trim float64
	// Latency is how long every Append takes.
	Latency time.Duration
	// Full makes every Append return journal.ErrFull.
	Full bool
}

// Step is a kind of change of the wrapped store.
type Step string

// The steps that Observe reports.
const (
	Appended Step = "append"
	Trimmed  Step = "trim"
)

// Store is a journal.Store that fails according to its rules. It is safe for
// concurrent use.
type Store struct {
	inner journal.Store

	mu      sync.Mutex
	rand    *rand.Rand
	rules   Rules
	observe func(log string, s Step)
}

// Wrap returns a store around inner without rules: it never fails until SetRules.
func Wrap(inner journal.Store, seed uint64) *Store {
	return &Store{inner: inner, rand: rand.New(rand.NewPCG(seed, 0))}
}

// SetRules replaces the rules.
func (s *Store) SetRules(r Rules) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = r
}

// Observe registers f, to be called after every change of the wrapped store and before
// the call that made it returns.
func (s *Store) Observe(f func(log string, s Step)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observe = f
}

// Open implements journal.Store. No rule makes it fail.
func (s *Store) Open(ctx context.Context, name string, limits journal.Limits) (journal.Log, error) {
	inner, err := s.inner.Open(ctx, name, limits)
	if err != nil {
		return nil, err
	}
	return &log{Log: inner, store: s, name: name}, nil
}

// Close closes the wrapped store. No rule applies from then on.
func (s *Store) Close() error {
	s.SetRules(Rules{})
	return s.inner.Close()
}

// now returns the current rules.
func (s *Store) now() Rules {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rules
}

func (s *Store) draw(chance float64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rand.Float64() < chance
}

func (s *Store) changed(log string, step Step) {
	s.mu.Lock()
	observe := s.observe
	s.mu.Unlock()
	if observe != nil {
		observe(log, step)
	}
}

// errInjected is wrapped by all injected failures.
var errInjected = errors.New("injected fault")

func fail(op string) error {
	return fmt.Errorf("%s: %w: %w", op, journal.ErrUnavailable, errInjected)
}

// log is one log of a faulty store; Bounds and Bytes never fail.
type log struct {
	journal.Log
	store *Store
	name  string
}

// MaxRecord implements journal.Bounded.
func (l *log) MaxRecord() int {
	if b, ok := l.Log.(journal.Bounded); ok {
		return b.MaxRecord()
	}
	return math.MaxInt
}

// Append implements journal.Log.
func (l *log) Append(ctx context.Context, id string, record []byte) (journal.Seq, error) {
	rules := l.store.now()
	if err := wait(ctx, rules.Latency); err != nil {
		return 0, err
	}
	if rules.Full {
		return 0, fmt.Errorf("append: %w: %w", journal.ErrFull, errInjected)
	}
	if l.store.draw(rules.BeforeWrite) {
		return 0, fail("append")
	}
	seq, err := l.Log.Append(ctx, id, record)
	if err != nil {
		return 0, err
	}
	l.store.changed(l.name, Appended)
	if l.store.draw(rules.AfterWrite) {
		return 0, fail("append")
	}
	return seq, nil
}

// Read implements journal.Log.
func (l *log) Read(ctx context.Context, from journal.Seq, visit func(journal.Seq, []byte) error) error {
	if l.store.draw(l.store.now().Read) {
		return fail("read")
	}
	return l.Log.Read(ctx, from, visit)
}

// Trim implements journal.Log.
func (l *log) Trim(ctx context.Context, before journal.Seq) error {
	if l.store.draw(l.store.now().Trim) {
		return fail("trim")
	}
	if err := l.Log.Trim(ctx, before); err != nil {
		return err
	}
	l.store.changed(l.name, Trimmed)
	return nil
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

var _ journal.Store = (*Store)(nil)
