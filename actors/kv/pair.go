package kv

import "container/heap"

// pair is a key with its value.
type pair struct {
	key, value string
	// since is the revision that created the key; it orders the keys.
	since, revision uint64
	// until is the last moment of the value, in microseconds since 1970; 0 means forever.
	until int64
	// cached says that the value is in the read cache.
	cached bool
	// index is the position in the expiries, -1 if the pair has no end.
	index int
}

func (p *pair) hasExpired(now int64) bool { return hasExpired(p.until, now) }

func hasExpired(until, now int64) bool { return until != 0 && now > until }

func (p *pair) cost() int64 { return pairCost(p.key, p.value) }

// expiries is a heap of the pairs that expire, ordered by until.
type expiries []*pair

// set changes until of a pair, and its position in the heap.
func (h *expiries) set(p *pair, until int64) {
	p.until = until
	switch {
	case p.index < 0 && until != 0:
		heap.Push(h, p)
	case p.index >= 0 && until == 0:
		heap.Remove(h, p.index)
	case p.index >= 0:
		heap.Fix(h, p.index)
	}
}

// Len implements heap.Interface, as do the methods below.
func (h expiries) Len() int { return len(h) }

func (h expiries) Less(i, j int) bool { return h[i].until < h[j].until }

func (h expiries) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *expiries) Push(x any) {
	p := x.(*pair)
	p.index = len(*h)
	*h = append(*h, p)
}

// Pop implements heap.Interface.
func (h *expiries) Pop() any {
	last := len(*h) - 1
	p := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	p.index = -1
	return p
}
