package app

import (
	"sync/atomic"
	"time"
)

// rush is a burst of datagrams. While it lasts, decisions leave the processor to the
// intake: datagrams are lost when the receive buffer of the kernel is full, journalled
// events are not. It is safe for concurrent use.
type rush struct{ last atomic.Int64 }

// rushFor is how long a rush lasts after the last call of seen.
const rushFor = 10 * time.Millisecond

// seen starts a rush, or prolongs it.
func (r *rush) seen() { r.last.Store(time.Now().UnixNano()) }

// on reports whether there is a rush.
func (r *rush) on() bool { return time.Since(time.Unix(0, r.last.Load())) < rushFor }
