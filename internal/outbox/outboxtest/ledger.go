// Package outboxtest owns a ledger in memory for tests of the outbox and its users:
// commits can be held back, and a crash loses exactly those that were not durable. It
// guarantees the order of commits, as the real ledger does. It must never be part of the
// product.
package outboxtest

import (
	"bytes"
	"maps"
	"slices"
	"sync"

	"butler/internal/journal"
	"butler/internal/outbox"
)

var _ outbox.Ledger = (*Ledger)(nil)

// Ledger is a ledger in memory. The zero value is empty and commits at once. It is safe for
// concurrent use.
type Ledger struct {
	mu      sync.Mutex
	held    bool
	waiting []commit
	buckets map[journal.Bucket]map[string][]byte
	commits int
}

type commit struct {
	ops  []journal.Op
	done func(error)
}

// Commit implements outbox.Ledger. Without Hold, done runs before it returns.
func (l *Ledger) Commit(ops []journal.Op, done func(error)) {
	l.mu.Lock()
	l.waiting = append(l.waiting, commit{copies(ops), done})
	held := l.held
	l.mu.Unlock()
	if !held {
		l.Release(1)
	}
}

// copies returns a copy of ops that shares no memory with values of the caller.
func copies(ops []journal.Op) []journal.Op {
	ops = slices.Clone(ops)
	for i := range ops {
		ops[i].Value = bytes.Clone(ops[i].Value)
	}
	return ops
}

// Hold keeps further commits from becoming durable.
func (l *Ledger) Hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held = true
}

// Resume makes all held commits durable. Further ones are durable at once.
func (l *Ledger) Resume() {
	l.mu.Lock()
	l.held = false
	n := len(l.waiting)
	l.mu.Unlock()
	l.Release(n)
}

// Release makes at most the n oldest held commits durable and returns their number.
func (l *Ledger) Release(n int) int {
	released := 0
	for ; released < n; released++ {
		l.mu.Lock()
		if len(l.waiting) == 0 {
			l.mu.Unlock()
			break
		}
		next := l.waiting[0]
		l.waiting = l.waiting[1:]
		l.commits++
		l.applyLocked(next.ops)
		l.mu.Unlock()
		next.done(nil)
	}
	return released
}

func (l *Ledger) applyLocked(ops []journal.Op) {
	if l.buckets == nil {
		l.buckets = map[journal.Bucket]map[string][]byte{}
	}
	for _, op := range ops {
		if op.Value == nil {
			delete(l.buckets[op.Bucket], op.Key)
			continue
		}
		if l.buckets[op.Bucket] == nil {
			l.buckets[op.Bucket] = map[string][]byte{}
		}
		l.buckets[op.Bucket][op.Key] = slices.Clone(op.Value)
	}
}

// Crash returns the ledger after a crash of the process: held commits are lost, and their
// callbacks are not called any more.
func (l *Ledger) Crash() *Ledger {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = nil
	next := &Ledger{buckets: map[journal.Bucket]map[string][]byte{}}
	for name, bucket := range l.buckets {
		next.buckets[name] = maps.Clone(bucket)
	}
	return next
}

// Held returns the number of commits that wait for Release.
func (l *Ledger) Held() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting)
}

// Commits returns the number of commits that became durable.
func (l *Ledger) Commits() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.commits
}

// Keys returns the keys of a bucket, sorted.
func (l *Ledger) Keys(b journal.Bucket) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.buckets[b]))
}

// Get implements outbox.Ledger.
func (l *Ledger) Get(b journal.Bucket, key string) ([]byte, bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	value, ok := l.buckets[b][key]
	return value, ok, nil
}

// Range implements outbox.Ledger.
func (l *Ledger) Range(b journal.Bucket, visit func(key string, value []byte) bool) error {
	return l.Select(b, func(string) bool { return true }, visit)
}

// Select implements outbox.Ledger.
func (l *Ledger) Select(b journal.Bucket, want func(key string) bool, visit func(key string, value []byte) bool) error {
	for _, key := range l.Keys(b) {
		if !want(key) {
			continue
		}
		if value, ok, _ := l.Get(b, key); ok && !visit(key, value) {
			return nil
		}
	}
	return nil
}

// Size implements outbox.Ledger.
func (l *Ledger) Size(b journal.Bucket, key string) int {
	value, _, _ := l.Get(b, key)
	return len(value)
}

// Len implements outbox.Ledger.
func (l *Ledger) Len(b journal.Bucket) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.buckets[b])
}
