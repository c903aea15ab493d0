package app

import (
	"sync/atomic"
	"time"
)

// burst tells whether there is a burst of datagrams. While it lasts, decisions leave the
// processor to the intake: datagrams are lost when the receive buffer of the kernel is
// full, journalled events are not. It is safe for concurrent use.
type burst struct{ last atomic.Int64 }

// burstFor is how long a burst lasts after the last call of seen.
const burstFor = 10 * time.Millisecond

// seen starts a burst, or prolongs it.
func (b *burst) seen() { b.last.Store(time.Now().UnixNano()) }

// ongoing reports whether there is a burst.
func (b *burst) ongoing() bool { return time.Since(time.Unix(0, b.last.Load())) < burstFor }
