package app

import (
	"sync/atomic"
	"time"
)

// rush tells whether datagrams arrive so fast that the intake needs the processor:
// datagrams are lost when the kernel's receive buffer is full, while events that wait for
// a decision are on disk. It is safe for concurrent use.
type rush struct{ last atomic.Int64 }

// rushFor is how long a rush lasts after the newest sign of it.
const rushFor = 10 * time.Millisecond

// seen notes a sign of a rush.
func (r *rush) seen() { r.last.Store(time.Now().UnixNano()) }

// on reports whether there is one.
func (r *rush) on() bool { return time.Since(time.Unix(0, r.last.Load())) < rushFor }
