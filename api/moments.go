package api

import (
	"context"
	"sync/atomic"
	"time"
)

// moments are for calls that wait for an answer and for nothing else. Those that
// begin within a moment share a context, so that it takes no timer for each.
type moments struct{ latest atomic.Pointer[moment] }

// moment is a context that calls get until it is over. It ends by itself, long after that.
type moment struct {
	ctx  context.Context //nolint:containedctx // it is that of many calls
	over time.Time
}

// momentLength is how much longer than requestTimeout a call may wait.
const momentLength = time.Second

// now returns the context of a call that begins now, which lasts for requestTimeout
// at least. It asks the clock by which the context ends, not that of the server;
// whoever sets the system's clock changes neither.
func (s *moments) now() context.Context {
	now := time.Now()
	if m := s.latest.Load(); m != nil && now.Before(m.over) {
		return m.ctx
	}
	ctx, end := context.WithTimeout(context.Background(), requestTimeout+momentLength)
	context.AfterFunc(ctx, end) // calls of that moment may wait until then
	s.latest.Store(&moment{ctx: ctx, over: now.Add(momentLength)})
	return ctx
}
