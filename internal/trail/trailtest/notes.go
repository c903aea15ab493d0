// Package trailtest owns a trail in memory for tests of what notes steps. What
// was added can be read at once. It must never be part of the product.
package trailtest

import (
	"bytes"
	"context"
	"sync"

	"butler/internal/journal"
	"butler/internal/trail"
)

var _ trail.Notes = (*Notes)(nil)

// Notes keep a trail in memory. The zero value is empty.
type Notes struct {
	mu      sync.Mutex
	entries [][]byte
}

// Add implements trail.Notes.
func (n *Notes) Add(entry []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.entries = append(n.entries, bytes.Clone(entry))
}

// Flush implements trail.Notes.
func (n *Notes) Flush(context.Context) error { return nil }

// Tail implements trail.Notes.
func (n *Notes) Tail(ctx context.Context, _ int, visit func(journal.Record) error) (older bool, err error) {
	return false, n.Range(ctx, visit)
}

// Range implements trail.Notes: all entries are in one record.
func (n *Notes) Range(_ context.Context, visit func(journal.Record) error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return visit(journal.Record{Seq: 1, Entries: n.entries})
}
