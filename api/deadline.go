package api

import (
	"context"
	"sync/atomic"
	"time"

	"butler/api/web"
)

// moments hands out contexts with a deadline. Calls that begin within the same
// second share one, which saves a timer for each call. It is only for calls that
// never cancel their context.
type moments struct{ latest atomic.Pointer[moment] }

// moment is a shared context; no further call gets it after over.
type moment struct {
	ctx  context.Context //nolint:containedctx // it is that of many calls
	over time.Time
}

// momentLength is for how long a context is handed out, and so by how much a call
// may outlast web.RequestTimeout.
const momentLength = time.Second

// now returns a context for a call that begins now. It lasts for at least
// web.RequestTimeout. It uses the monotonic clock, as the deadline of the context does,
// and not the clock of the server.
func (s *moments) now() context.Context {
	now := time.Now()
	if m := s.latest.Load(); m != nil && now.Before(m.over) {
		return m.ctx
	}
	ctx, end := context.WithTimeout(context.Background(), web.RequestTimeout+momentLength)
	context.AfterFunc(ctx, end) // calls of that moment may wait until then
	s.latest.Store(&moment{ctx: ctx, over: now.Add(momentLength)})
	return ctx
}
