package app

import (
	"sync/atomic"
	"time"
)

// rush tells decisions that the intake needs the processor: what waits in the
// receive buffer of the kernel is lost when that is full, what is on disk is not.
type rush struct{ last atomic.Int64 }

// rushFor is how long a rush is taken to last after the newest sign of it.
const rushFor = 10 * time.Millisecond

// seen notes a sign of a rush.
func (r *rush) seen() { r.last.Store(time.Now().UnixNano()) }

// on reports whether there is one.
func (r *rush) on() bool { return time.Since(time.Unix(0, r.last.Load())) < rushFor }
