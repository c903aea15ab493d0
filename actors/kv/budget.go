package kv

import "sync/atomic"

// budget is what the namespaces of a store share: so many bytes. It is safe for
// concurrent use.
type budget struct {
	limit int64
	used  atomic.Int64
}

// take takes n bytes if they are left. Giving back always succeeds.
func (b *budget) take(n int64) bool {
	if b.used.Add(n) > b.limit && n > 0 {
		b.used.Add(-n)
		return false
	}
	return true
}

// account is the part of a budget that one namespace has. It outlives a crash.
type account struct {
	budget *budget
	paid   int64
}

// resize changes the part to size if the budget allows it. Less always goes.
func (a *account) resize(size int64) bool {
	if !a.budget.take(size - a.paid) {
		return false
	}
	a.paid = size
	return true
}

// settle changes the part to size, whatever is left: what is there is there.
func (a *account) settle(size int64) {
	a.budget.used.Add(size - a.paid)
	a.paid = size
}
