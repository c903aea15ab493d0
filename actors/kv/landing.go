package kv

import (
	"errors"
	"sync/atomic"

	"butler/internal/journal"
)

// landing tracks up to which flight the commits of one life are durable. The ledger
// reports them one by one and in order, possibly many at a time; the actor gets one
// message for all that it has not handled yet.
type landing struct {
	post    func(message any)
	through atomic.Uint64
	// posted says that a message is on its way, whose handler will read through.
	posted atomic.Bool
	// failed says that a flight failed, so later ones must not be reported. Only
	// report uses it.
	failed bool
}

// report is the callback of the ledger for a flight.
func (l *landing) report(n uint64, err error) {
	switch {
	case errors.Is(err, journal.ErrClosed), l.failed: // the process ends, or the actor restarts
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

// read returns the latest durable flight; all before it are durable, too. It is called
// for a message from report; a flight reported after that posts another message.
func (l *landing) read() uint64 {
	l.posted.Store(false)
	return l.through.Load()
}
