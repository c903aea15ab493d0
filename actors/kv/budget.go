package kv

import "sync/atomic"

// budget is a limit on bytes that the namespaces of a store share. It is safe for
// concurrent use.
type budget struct {
	limit int64
	used  atomic.Int64
}

// take takes n bytes if they are left. A negative n gives bytes back, which always
// succeeds.
func (b *budget) take(n int64) bool {
	if b.used.Add(n) > b.limit && n > 0 {
		b.used.Add(-n)
		return false
	}
	return true
}

// account is the share of a budget that one namespace holds. It survives a crash of
// the actor.
type account struct {
	budget *budget
	used   int64
}

// resize changes the share to size if the budget allows it. Shrinking always succeeds.
func (a *account) resize(size int64) bool {
	if !a.budget.take(size - a.used) {
		return false
	}
	a.used = size
	return true
}

// set changes the share to size even beyond the limit, for what is in memory already.
func (a *account) set(size int64) {
	a.budget.used.Add(size - a.used)
	a.used = size
}
