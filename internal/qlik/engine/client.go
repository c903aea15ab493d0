// Package engine owns the conversation with the Qlik associative engine: JSON-RPC
// over a WebSocket with mutual TLS, to list apps, dump one and reload one.
//
// It guarantees that every conversation has a session of its own, which is always
// closed at the end; that the number of sessions is limited; that every step has a
// timeout; that answers are matched to calls by their number, in whatever order they
// come; that one answer takes a bounded amount of memory; and that an error names the
// engine and the call, never the value of a header. A Client is safe for concurrent use.
//
// Goroutines: one for each running reload, and one beside it that pings the engine.
// Close stops them and waits.
//
// It must never decide who may do what, start tasks, repeat a call, or follow
// the engine to another host.
package engine

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"butler/messages"
)

// Client talks to one engine. Build it with New, end it with Close.
type Client struct {
	options   Options
	scheme    string
	address   string // host:port
	header    http.Header
	transport *http.Transport // the model of every session's transport
	secrets   []string
	expiry    time.Time
	metrics   *Metrics

	sessions, reloads slots
	running           running
}

// New checks the options, reads the certificates and returns a client. It does
// not connect.
func New(opts Options) (*Client, error) {
	opts = opts.withDefaults()
	address, err := opts.address()
	if err != nil {
		return nil, err
	}
	header, err := opts.header()
	if err != nil {
		return nil, err
	}
	transport, expiry, err := opts.transport()
	if err != nil {
		return nil, err
	}
	scheme := "ws"
	if opts.UseSSL {
		scheme = "wss"
	}
	return &Client{
		options:   opts,
		scheme:    scheme,
		address:   address,
		header:    header,
		transport: transport,
		secrets:   opts.Headers.Secrets(),
		expiry:    expiry,
		metrics:   opts.Metrics,
		sessions:  make(slots, opts.MaxSessions),
		reloads:   make(slots, opts.MaxReloads),
		running:   running{stops: make(map[int]context.CancelCauseFunc)},
	}, nil
}

// Address returns host:port of the engine.
func (c *Client) Address() string { return c.address }

// CertificateExpiry returns when the client certificate ends; the zero time without one.
func (c *Client) CertificateExpiry() time.Time { return c.expiry }

// Ping opens a session and closes it: that needs the network, the certificates
// and a header that the engine accepts. No app is opened.
func (c *Client) Ping(ctx context.Context) error {
	return c.converse(ctx, c.sessions, "/", func(*session) error { return nil })
}

// App is an entry of the list of apps.
type App struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// ListApps returns the apps that the user of the headers can see, in the order
// of the engine; an empty list is not nil.
func (c *Client) ListApps(ctx context.Context) (apps []App, err error) {
	defer c.observe(opListApps, time.Now(), &err)
	err = c.converse(ctx, c.sessions, "/", func(s *session) error {
		apps, err = s.listApps(ctx)
		return err
	})
	return apps, err
}

// doc is an App as the engine writes it.
type doc struct {
	ID   string `json:"qDocId"`
	Name string `json:"qDocName"`
}

func (s *session) listApps(ctx context.Context) ([]App, error) {
	const method = "GetDocList"
	result, err := s.call(ctx, globalHandle, method)
	if err != nil {
		return nil, err
	}
	value, err := s.member(method, result, "qDocList")
	if err != nil {
		return nil, err
	}
	list, err := elements[doc](s, method, value)
	if err != nil {
		return nil, err
	}
	apps := make([]App, 0, len(list))
	for _, d := range list {
		apps = append(apps, App(d))
	}
	return apps, nil
}

// converse runs one session from its place in the limit to its end.
func (c *Client) converse(ctx context.Context, limit slots, path string, talk func(*session) error) error {
	if err := c.enter(ctx, limit); err != nil {
		return err
	}
	defer limit.leave()
	s, err := c.dial(ctx, path)
	if err != nil {
		return err
	}
	defer s.close()
	return talk(s)
}

// maxAppID bounds the length of an app's ID; the engine's own have 36 characters.
const maxAppID = 1024

// checkAppID refuses an ID that would change the path of the address.
func (c *Client) checkAppID(id string) error {
	if id == "" || id == "." || id == ".." || len(id) > maxAppID {
		return c.failed("OpenDoc", messages.FailureRejected, ErrAppID)
	}
	return nil
}

// slots is a limit: a place is taken by sending and given back by receiving.
type slots chan struct{}

func (l slots) leave() { <-l }

// enter takes a place, waiting for it no longer than a connection may take.
func (c *Client) enter(ctx context.Context, limit slots) error {
	timer := time.NewTimer(c.options.ConnectTimeout)
	defer timer.Stop()
	select {
	case limit <- struct{}{}:
		return nil
	case <-timer.C:
		return c.failed("connect", messages.FailureBusy, fmt.Errorf("%d sessions are open, which is the limit", cap(limit)))
	case <-ctx.Done():
		return c.failed("connect", kindOf(ctx.Err()), ctx.Err())
	}
}

// running are the reloads in the background.
type running struct {
	mu     sync.Mutex
	group  sync.WaitGroup
	stops  map[int]context.CancelCauseFunc
	last   int
	closed bool
}

// add registers a reload and returns what ends its registration; false after Close.
func (r *running) add(stop context.CancelCauseFunc) (end func(), ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, false
	}
	r.last++
	number := r.last
	r.stops[number] = stop
	r.group.Add(1)
	return func() {
		r.mu.Lock()
		delete(r.stops, number)
		r.mu.Unlock()
		r.group.Done()
	}, true
}

// Drain refuses new reloads and waits for those that run, until ctx ends.
func (c *Client) Drain(ctx context.Context) {
	c.running.mu.Lock()
	c.running.closed = true
	c.running.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.running.group.Wait()
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// Close stops the reloads that run, with ErrClosed as their outcome, and waits
// for their callbacks. New reloads are refused from now on.
func (c *Client) Close() {
	c.running.mu.Lock()
	c.running.closed = true
	for _, stop := range c.running.stops {
		stop(ErrClosed)
	}
	c.running.mu.Unlock()
	c.running.group.Wait()
}
