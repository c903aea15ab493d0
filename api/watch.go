package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"butler/api/web"
	"butler/internal/apikey"
	"butler/messages"
)

// Watching a namespace, as a stream of server-sent events.

// Watch is a watch that goes on until End. The zero value is none.
type Watch struct {
	// Reply holds the revision that the watch starts from, or why there is none.
	Reply messages.WatchNamespaceReply
	// Events yields messages.ValueChanged, and then one messages.WatchEnded.
	Events <-chan any
	// Confirm says that everything up to a revision has been sent, and makes room for more.
	Confirm func(through uint64)
	End     func()
}

const (
	// heartbeat is how often an idle stream sends a comment. A client that reads
	// nothing for two of them is disconnected.
	heartbeat = 15 * time.Second
	// maxStreams bounds how many watches there may be at once, in all namespaces.
	maxStreams = 64
	// retryAfter is what clients are told to wait before they connect again.
	retryAfter = 3 * time.Second
)

// streams counts the watches that are served.
type streams struct{ n atomic.Int64 }

func (s *streams) enter() bool {
	if s.n.Add(1) <= maxStreams {
		return true
	}
	s.leave()
	return false
}

func (s *streams) leave() { s.n.Add(-1) }

// watched writes a streamed answer, which ends when it returns.
type watched func(w *bufio.Writer)

// watch answers with events.
func (c *call) watch(body watched) {
	c.ctx.SetContentType("text/event-stream")
	c.ctx.Response.Header.Set("Cache-Control", "no-store")
	c.ctx.Response.Header.Set("X-Accel-Buffering", "no") // for proxies that would buffer the stream
	if !c.ctx.IsHead() {
		c.ctx.SetBodyStreamWriter(fasthttp.StreamWriter(body))
	}
}

func (r *rest) kvWatch(c *call) (int, any, error) {
	if c.ctx.IsHead() {
		return http.StatusOK, watched(func(*bufio.Writer) {}), nil
	}
	if !r.streams.enter() {
		return 0, nil, web.Problemf(http.StatusServiceUnavailable, "", "there are %d watches already, which is all that can be served", maxStreams)
	}
	namespace := c.parameters.get("namespace")
	ctx, cancel := web.Bounded()
	defer cancel()
	watch, err := r.opts.KeyValues.Watch(ctx, messages.WatchNamespace{Namespace: namespace})
	if err == nil {
		err = c.refusal(watch.Reply.Failure)
	}
	if err != nil {
		r.streams.leave()
		return 0, nil, err
	}
	s := &sender{
		conn: c.ctx.Conn(), watch: watch, admitted: r.admitted(c, apikey.KV), beat: r.opts.Heartbeat, working: r.working(),
		namespace: namespace, seen: string(c.ctx.Request.Header.Peek("Last-Event-ID")),
	}
	return http.StatusOK, watched(func(w *bufio.Writer) {
		defer r.streams.leave()
		defer watch.End()
		s.run(w)
	}), nil
}

// sender writes what one watch yields.
type sender struct {
	conn  net.Conn
	watch Watch
	// admitted reports whether the client may go on watching.
	admitted func() bool
	beat     time.Duration
	working  context.Context //nolint:containedctx // it is that of the server, not of a call
	// seen is the last event that the client knows of.
	namespace, seen string
}

// watchReady is the first event: nothing after Revision is missed, and nothing
// before it, either, when the watch is resumed.
type watchReady struct {
	Namespace string `json:"namespace"`
	Revision  uint64 `json:"revision"`
	Resumed   bool   `json:"resumed"`
}

// watchChange is the event of a change. Value and TTL are those of a put.
type watchChange struct {
	Namespace string    `json:"namespace"`
	Key       string    `json:"key"`
	Value     *string   `json:"value,omitempty"`
	TTL       *int64    `json:"ttl,omitempty"`
	Revision  uint64    `json:"revision"`
	At        time.Time `json:"at"`
}

// watchEnded is the last event.
type watchEnded struct {
	Reason messages.WatchEnd `json:"reason"`
}

// run sends until the watch ends, the client is gone or the service stops.
func (s *sender) run(w *bufio.Writer) {
	revision := s.watch.Reply.Revision
	_, _ = fmt.Fprintf(w, "retry: %d\n\n", retryAfter.Milliseconds())
	event(w, "ready", revision, watchReady{s.namespace, revision, s.seen == strconv.FormatUint(revision, 10)})
	if !s.flush(w) {
		return
	}
	beats := time.NewTicker(s.beat)
	defer beats.Stop()
	for {
		var one any
		select {
		case one = <-s.watch.Events:
		case <-beats.C:
		case <-s.working.Done():
			one = messages.WatchEnded{Reason: messages.WatchInterrupted}
		}
		if !s.admitted() {
			one = messages.WatchEnded{Reason: messages.WatchRefused}
		}
		if !s.send(w, one) {
			return
		}
	}
}

// send writes one event, or a comment for nil, and reports whether more may follow.
func (s *sender) send(w *bufio.Writer, one any) bool {
	switch one := one.(type) {
	case nil:
		_, _ = w.WriteString(": still here\n\n")
		return s.flush(w)
	case messages.ValueChanged:
		change := watchChange{Namespace: one.Namespace, Key: one.Key, Revision: one.Revision, At: one.At}
		if ttl := one.TTL.Milliseconds(); one.Change == messages.ChangePut {
			change.Value, change.TTL = &one.Value, &ttl
		}
		event(w, string(one.Change), one.Revision, change)
		if !s.flush(w) {
			return false
		}
		s.watch.Confirm(one.Revision)
		return true
	case messages.WatchEnded:
		event(w, "ended", 0, watchEnded{one.Reason})
		s.flush(w)
	}
	return false
}

// flush sends what is written, and reports whether the client is still there. It
// gives the client its time anew: the one of the server is for a whole answer.
func (s *sender) flush(w *bufio.Writer) bool {
	return s.conn.SetWriteDeadline(time.Now().Add(2*s.beat)) == nil && w.Flush() == nil
}

// event writes one event. JSON has no line breaks, so nothing can look like another event.
func event(w *bufio.Writer, name string, id uint64, data any) {
	raw, _ := json.Marshal(data) // plain structs
	if id != 0 {
		_, _ = fmt.Fprintf(w, "id: %d\n", id)
	}
	_, _ = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, raw)
}
