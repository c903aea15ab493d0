package logx

import (
	"sort"
	"time"
)

// Repeated decides which of many equal lines are written: the first of a key at once, the
// others of a window as one summary. It does not write lines and reads no clock. It is not
// safe for concurrent use.
type Repeated struct {
	window time.Duration
	limit  int
	open   map[string]*repetition
}

type repetition struct {
	since time.Time
	count int
}

// Summary is the number of suppressed lines of a key after the first one.
type Summary struct {
	Key   string
	Count int
	Since time.Time
}

// OtherKeys is the common key of all keys beyond the limit.
const OtherKeys = "other"

// NewRepeated returns a policy with at most limit keys in addition to OtherKeys, which all
// further ones share.
func NewRepeated(window time.Duration, limit int) *Repeated {
	return &Repeated{window: window, limit: max(limit, 1), open: map[string]*repetition{}}
}

// First notes one occurrence of key and reports whether its line is written now.
func (r *Repeated) First(now time.Time, key string) bool {
	key = r.Key(key)
	seen, ok := r.open[key]
	if !ok {
		r.open[key] = &repetition{since: now}
		return true
	}
	seen.count++
	return false
}

// Key returns the key by which an occurrence of key is counted: itself or OtherKeys.
func (r *Repeated) Key(key string) string {
	if !r.Known(key) && len(r.open) >= r.limit {
		return OtherKeys
	}
	return key
}

// Known reports whether key has an open window.
func (r *Repeated) Known(key string) bool {
	_, known := r.open[key]
	return known
}

// Due closes every window that has ended by now and returns the suppressed lines in
// them, sorted by key. Call it on a timer, so that the end of a burst is logged too.
func (r *Repeated) Due(now time.Time) []Summary {
	var out []Summary
	for key, seen := range r.open {
		if now.Sub(seen.since) < r.window {
			continue
		}
		if seen.count > 0 {
			out = append(out, Summary{Key: key, Count: seen.count, Since: seen.since})
		}
		delete(r.open, key)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Key < out[j].Key })
	return out
}
