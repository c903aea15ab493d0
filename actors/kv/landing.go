package kv

import (
	"errors"
	"sync/atomic"

	"butler/internal/journal"
)

// landing is how far the flights of one life are durable. The ledger reports them
// one by one and in their order, many at a time; the actor gets a single message
// for all that it has not come to yet.
type landing struct {
	post    func(message any)
	through atomic.Uint64
	// posted: a message is on its way that will find through as it is then.
	posted atomic.Bool
	// failed: nothing behind a flight that cannot land counts. Whoever reports
	// alone uses it.
	failed bool
}

// report takes note of a flight. It is what the ledger calls back.
func (l *landing) report(n uint64, err error) {
	switch {
	case errors.Is(err, journal.ErrClosed), l.failed: // as everything will be
	case err != nil:
		l.failed = true
		l.post(landed{of: l, err: err})
	default:
		l.through.Store(n)
		if l.posted.CompareAndSwap(false, true) {
			l.post(landed{of: l})
		}
	}
}

// read returns the latest flight that is durable, as all before it are. It
// answers a message; what is reported from now on posts another one.
func (l *landing) read() uint64 {
	l.posted.Store(false)
	return l.through.Load()
}
