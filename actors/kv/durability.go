package kv

import (
	"errors"
	"sync/atomic"

	"butler/internal/journal"
)

// durability tracks up to which batch the commits of one life are durable. The ledger
// reports them one by one and in order, possibly many at a time; the actor gets one
// message for all that it has not handled yet.
type durability struct {
	post    func(message any)
	through atomic.Uint64
	// posted says that a message is on its way, whose handler will read through.
	posted atomic.Bool
	// failed says that a batch failed, so later ones must not be reported. Only
	// report uses it.
	failed bool
}

// report is the callback of the ledger for a batch.
func (d *durability) report(n uint64, err error) {
	switch {
	case errors.Is(err, journal.ErrClosed), d.failed: // the process ends, or the actor restarts
	case err != nil:
		d.failed = true
		d.post(persisted{of: d, err: err})
	default:
		d.through.Store(n)
		if d.posted.CompareAndSwap(false, true) {
			d.post(persisted{of: d})
		}
	}
}

// read returns the latest durable batch; all before it are durable, too. It is called
// for a message from report; a batch reported after that posts another message.
func (d *durability) read() uint64 {
	d.posted.Store(false)
	return d.through.Load()
}
