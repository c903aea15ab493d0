package api

import (
	"context"
	"sync/atomic"
	"time"

	"butler/api/web"
)

// deadlines hands out contexts with a deadline. Calls that begin within the same
// second share one, which saves a timer for each call. It is only for calls that
// never cancel their context.
type deadlines struct{ latest atomic.Pointer[sharedContext] }

// sharedContext is the context of many calls; no further call gets it after over.
type sharedContext struct {
	ctx  context.Context //nolint:containedctx // it is that of many calls
	over time.Time
}

// sharedFor is for how long a context is handed out, and so by how much a call may
// outlast web.RequestTimeout.
const sharedFor = time.Second

// context returns a context for a call that begins now. It lasts for at least
// web.RequestTimeout. It uses the monotonic clock, as the deadline of the context does,
// and not the clock of the server.
func (d *deadlines) context() context.Context {
	now := time.Now()
	if s := d.latest.Load(); s != nil && now.Before(s.over) {
		return s.ctx
	}
	ctx, end := context.WithTimeout(context.Background(), web.RequestTimeout+sharedFor)
	context.AfterFunc(ctx, end) // the calls that share it may wait until then
	d.latest.Store(&sharedContext{ctx: ctx, over: now.Add(sharedFor)})
	return ctx
}
