package edge

import (
	"context"
	"sync"
)

// DefaultHistory is the default number of entries that a History keeps.
const DefaultHistory = 4096

// History keeps the newest entries in order, and counts all of them.
type History[T any] struct {
	mu      sync.Mutex
	entries []T
	start   int
	limit   int
	total   int
	changed chan struct{}
	told    func(T)
}

// NewHistory returns an empty history of at most limit entries (DefaultHistory when limit <= 0).
func NewHistory[T any](limit int) *History[T] {
	if limit <= 0 {
		limit = DefaultHistory
	}
	return &History[T]{limit: limit, changed: make(chan struct{})}
}

// Tell sets a function that is called with every entry added from now on. Calls may
// overlap. It must not use the history.
func (h *History[T]) Tell(told func(T)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.told = told
}

// Add appends an entry, and drops the oldest when the history is full.
func (h *History[T]) Add(entry T) {
	if told := h.add(entry); told != nil {
		told(entry)
	}
}

func (h *History[T]) add(entry T) (told func(T)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.total++
	if len(h.entries) < h.limit {
		h.entries = append(h.entries, entry)
	} else {
		h.entries[h.start] = entry
		h.start = (h.start + 1) % h.limit
	}
	close(h.changed)
	h.changed = make(chan struct{})
	return h.told
}

// All returns a copy of the kept entries, oldest first.
func (h *History[T]) All() []T {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.allLocked()
}

func (h *History[T]) allLocked() []T {
	out := make([]T, 0, len(h.entries))
	out = append(out, h.entries[h.start:]...)
	return append(out, h.entries[:h.start]...)
}

// Total returns how many entries were added, including dropped ones.
func (h *History[T]) Total() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.total
}

// Clear removes the entries and resets the count.
func (h *History[T]) Clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.entries, h.start, h.total = nil, 0, 0
}

// Await returns the oldest kept entry that satisfies want. It waits for one until
// ctx ends.
func (h *History[T]) Await(ctx context.Context, want func(T) bool) (T, error) {
	for {
		h.mu.Lock()
		entries, changed := h.allLocked(), h.changed
		h.mu.Unlock()
		for _, entry := range entries {
			if want(entry) {
				return entry, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			var none T
			return none, context.Cause(ctx)
		}
	}
}

// AwaitTotal waits until at least n entries have been added.
func (h *History[T]) AwaitTotal(ctx context.Context, n int) error {
	for {
		h.mu.Lock()
		total, changed := h.total, h.changed
		h.mu.Unlock()
		if total >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
