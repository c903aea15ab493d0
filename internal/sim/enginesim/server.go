// Package enginesim owns the simulated Qlik associative engine: the apps of a
// world behind JSON-RPC over WebSockets, with client certificates as the product
// has it.
//
// It guarantees the contract of the interface to any client, not only ours: the
// user header enforced, a notification before the first call, answers that may
// come in another order than the calls, plain results or patches, and the error
// codes of the product. Sessions and calls are recorded, and faults are switched
// on and off while it runs.
//
// Goroutines: one for each session. Stop ends them and waits.
//
// It must never be reachable from another machine, and it must never look at who
// the caller is: a test against it is a test against the interface.
package enginesim

import (
	"crypto/tls"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"butler/internal/sim/cert"
	"butler/internal/sim/edge"
	"butler/internal/sim/world"
)

// Options describe a server. World is required.
type Options struct {
	World *world.World
	// Authority signs the server certificate and accepts client certificates; nil makes one.
	Authority *cert.Authority
	// PlainHTTP serves without TLS and without client certificates.
	PlainHTTP bool
	// Seed decides which calls faults hit.
	Seed uint64
	// History bounds the recorded calls and sessions; 0 means edge.DefaultHistory.
	History int
	// Document chooses what an app holds; nil means DemoDocument.
	Document func(world.App) Document
	// OnReload decides how a reload goes; nil means that it succeeds.
	OnReload func(Reload) ReloadResult
	// Shuffle answers calls that arrive together in reverse order.
	Shuffle bool
	// Chatter sends a notification before every answer.
	Chatter bool
	// WithoutLineage has no method GetLineage, like older products.
	WithoutLineage bool
}

// Reload is a reload that a client has requested.
type Reload struct {
	AppID   string
	Mode    int
	Partial bool
}

// ReloadResult is how a reload goes. The zero value fails at once.
type ReloadResult struct {
	// After is how long it takes.
	After time.Duration
	// Good is the result that the engine answers.
	Good bool
	// Code, if set, answers with that error instead.
	Code int
	// Drop breaks the connection instead of answering.
	Drop bool
}

// Server is a simulated engine.
type Server struct {
	options   Options
	world     *world.World
	authority *cert.Authority
	http      *edge.HTTP
	calls     *edge.History[Call]
	ended     *edge.History[Session]

	running sync.WaitGroup
	open    atomic.Int64
	last    atomic.Int64

	mu      sync.Mutex
	stopped bool
	saved   map[string]int
}

// Call is one recorded call.
type Call struct {
	// Session numbers the session, from 1.
	Session int64
	Method  string
	Handle  int
	// Params is the JSON text of the parameters.
	Params string
	At     time.Time
	// Code is the code of the error in the answer, 0 for none.
	Code  int
	Fault edge.FaultKind
}

// Session is one session that has ended.
type Session struct {
	Number int64
	// Path is decoded.
	Path string
	// User is the X-Qlik-User header.
	User  string
	Calls int
	// CloseCode is the close code that the client sent, -1 when it sent none.
	CloseCode int
}

// New returns a server that does not listen yet.
func New(o Options) (*Server, error) {
	if o.World == nil {
		return nil, errors.New("simulate engine: Options.World is missing")
	}
	if o.Document == nil {
		o.Document = DemoDocument
	}
	if o.OnReload == nil {
		o.OnReload = func(Reload) ReloadResult { return ReloadResult{Good: true} }
	}
	s := &Server{
		options:   o,
		world:     o.World,
		authority: o.Authority,
		calls:     edge.NewHistory[Call](o.History),
		ended:     edge.NewHistory[Session](o.History),
		saved:     make(map[string]int),
	}
	var config *tls.Config
	if !o.PlainHTTP {
		var err error
		if config, err = s.secure(); err != nil {
			return nil, err
		}
	}
	s.http = edge.NewHTTP(edge.HTTPOptions{
		Handler: http.HandlerFunc(s.serveHTTP), TLS: config, Faults: edge.NewFaults(o.Seed),
	})
	return s, nil
}

// secure makes an authority if there is none, and returns a configuration that
// requires a client certificate.
func (s *Server) secure() (*tls.Config, error) {
	if s.authority == nil {
		authority, err := cert.NewAuthority("Simulated Qlik Sense CA")
		if err != nil {
			return nil, err
		}
		s.authority = authority
	}
	return s.authority.MutualTLS()
}

// Start listens on a free port of 127.0.0.1.
func (s *Server) Start() error { return s.http.Start() }

// Stop ends every session and frees the port, for good.
func (s *Server) Stop() {
	s.mu.Lock()
	s.stopped = true
	s.mu.Unlock()
	s.http.Stop()
	s.running.Wait()
}

// Addr returns host:port.
func (s *Server) Addr() string { return s.http.Addr() }

// Authority returns the authority that signs the certificates, nil over plain HTTP.
func (s *Server) Authority() *cert.Authority { return s.authority }

// Outage makes the server unreachable, or reachable again at the same address.
func (s *Server) Outage(on bool) error { return s.http.Refuse(on) }

// Faults returns the rules for faulty answers. The method of a handshake is GET,
// that of a call the name of the engine's method; the path is that of the session.
// Rule.Status becomes the code of an error, Rule.Body its message.
func (s *Server) Faults() *edge.Faults { return s.http.Faults() }

// Load returns connections and TLS handshakes so far.
func (s *Server) Load() edge.Load { return s.http.Load() }

// Open returns the number of open sessions.
func (s *Server) Open() int { return int(s.open.Load()) }

// Calls returns the recorded calls.
func (s *Server) Calls() *edge.History[Call] { return s.calls }

// Ended returns the sessions that have ended.
func (s *Server) Ended() *edge.History[Session] { return s.ended }

// Saved returns how often an app was saved.
func (s *Server) Saved(appID string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.saved[appID]
}
