// Package qrssim owns the simulated Qlik Repository Service: the documents of a
// world behind the service's REST interface, over HTTPS with client
// certificates as the product has it.
//
// It guarantees the contract of the interface to any client, not only ours:
// paths in any case, xrfkey and user header enforced, filters, sort orders and
// tables, condensed and full documents, 400/403/404/405 like the service. Requests
// are recorded, and faults are switched on and off while it runs.
//
// It must never be reachable from another machine, and it must never look at who
// the caller is: a test against it is a test against the interface.
package qrssim

import (
	"crypto/tls"
	"errors"
	"strings"
	"sync"
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
	// Latency delays every answer, plus a random part of Jitter.
	Latency time.Duration
	Jitter  time.Duration
	// Seed decides tickets, and which requests faults hit.
	Seed uint64
	// History bounds the recorded requests; 0 means edge.DefaultHistory.
	History int
	// OnStart decides the outcome of a task that a client starts; nil means success.
	OnStart func(world.Task) world.Outcome
	// OnExecution, if set, is called with every execution that a client starts, and
	// again when a client stops it, with its earlier end.
	OnExecution func(world.Execution)
	// RejectRunning answers 409 to the start of a task that is running.
	RejectRunning bool
	// ScriptLogBOM puts a byte order mark in front of every script log.
	ScriptLogBOM bool
	// ScriptLogDelay is how long after its ticket a download still answers 404.
	ScriptLogDelay time.Duration
}

// Server is a simulated QRS.
type Server struct {
	world     *world.World
	options   Options
	authority *cert.Authority
	http      *edge.HTTP
	routes    []route
	tickets   *tickets
	requests  *edge.History[Request]

	mu       sync.Mutex
	counts   map[string]int
	switches switches
}

// switches are settings that change while the simulation runs.
type switches struct {
	withoutOldScriptLog bool
	withoutNewScriptLog bool
}

// New returns a server that does not listen yet.
func New(o Options) (*Server, error) {
	if o.World == nil {
		return nil, errors.New("simulate QRS: Options.World is missing")
	}
	if o.OnStart == nil {
		o.OnStart = func(world.Task) world.Outcome { return world.Succeed() }
	}
	if o.OnExecution == nil {
		o.OnExecution = func(world.Execution) {}
	}
	s := &Server{
		world:     o.World,
		options:   o,
		authority: o.Authority,
		requests:  edge.NewHistory[Request](o.History),
		counts:    make(map[string]int),
		tickets:   newTickets(o.Seed),
	}
	s.routes = s.table()
	faults := edge.NewFaults(o.Seed)
	if o.Latency > 0 || o.Jitter > 0 {
		faults.Set(edge.Rule{Name: "latency", Kind: edge.Slow, Delay: o.Latency, Jitter: o.Jitter})
	}
	var config *tls.Config
	if !o.PlainHTTP {
		var err error
		if config, err = s.secure(); err != nil {
			return nil, err
		}
	}
	s.http = edge.NewHTTP(edge.HTTPOptions{Handler: s, TLS: config, Faults: faults, Observe: s.observe})
	return s, nil
}

// secure makes an authority if there is none, and returns its TLS configuration.
func (s *Server) secure() (*tls.Config, error) {
	if s.authority == nil {
		authority, err := cert.NewAuthority("Simulated Qlik Sense CA")
		if err != nil {
			return nil, err
		}
		s.authority = authority
	}
	return mutualTLS(s.authority, s.world)
}

// mutualTLS returns the configuration of a server that has a certificate for the nodes
// of a world and requires a client certificate.
func mutualTLS(authority *cert.Authority, w *world.World) (*tls.Config, error) {
	var names []string
	for _, node := range w.Nodes() {
		names = append(names, node.HostName, node.Name)
	}
	return authority.MutualTLS(names...)
}

// Start listens on a free port of 127.0.0.1.
func (s *Server) Start() error { return s.http.Start() }

// Stop ends every request and frees the port, for good.
func (s *Server) Stop() { s.http.Stop() }

// URL returns scheme, host and port; the interface is below /qrs/.
func (s *Server) URL() string { return s.http.URL() }

// Addr returns host:port.
func (s *Server) Addr() string { return s.http.Addr() }

// Authority returns the authority that signs the certificates, nil over plain HTTP.
func (s *Server) Authority() *cert.Authority { return s.authority }

// Outage makes the server unreachable, or reachable again at the same address.
func (s *Server) Outage(on bool) error { return s.http.Refuse(on) }

// Faults returns the rules for faulty answers.
func (s *Server) Faults() *edge.Faults { return s.http.Faults() }

// Load returns connections, TLS handshakes, requests and concurrency so far.
func (s *Server) Load() edge.Load { return s.http.Load() }

// DisableScriptLog disables the old (file reference) and the new (execution result)
// way to a script log, as in different product versions.
func (s *Server) DisableScriptLog(oldWay, newWay bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.switches = switches{withoutOldScriptLog: oldWay, withoutNewScriptLog: newWay}
}

// Request is one recorded request.
type Request struct {
	// Operation is the method and the pattern of the path, such as "GET task/full"
	// or "POST task/{id}/start"; "unknown" for a path outside the interface.
	Operation string
	Method    string
	// Path is decoded and lacks the leading /qrs/.
	Path string
	// Filter is the decoded filter, "" for none.
	Filter string
	// User is the X-Qlik-User header.
	User        string
	ContentType string
	Key         string
	At          time.Time
	Took        time.Duration
	// Status is 0 when the client got no answer.
	Status int
	Fault  edge.FaultKind
}

// Requests returns the recorded requests.
func (s *Server) Requests() *edge.History[Request] { return s.requests }

// Counts returns how often each operation was called.
func (s *Server) Counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]int, len(s.counts))
	for operation, n := range s.counts {
		out[operation] = n
	}
	return out
}

func (s *Server) observe(e edge.Exchange) {
	values, _ := parseQuery(e.RawQuery)
	request := Request{
		Operation:   s.operation(e.Method, e.Path),
		Method:      e.Method,
		Path:        withoutBase(e.Path),
		Filter:      values["filter"],
		User:        e.Header.Get("X-Qlik-User"),
		ContentType: e.Header.Get("Content-Type"),
		Key:         e.Header.Get("X-Qlik-Xrfkey"),
		At:          e.At,
		Took:        e.Took,
		Status:      e.Status,
		Fault:       e.Fault,
	}
	s.mu.Lock()
	s.counts[request.Operation]++
	s.mu.Unlock()
	s.requests.Add(request)
}

// withoutBase removes the leading /qrs/, in any case, from a path.
func withoutBase(path string) string {
	if len(path) >= len(base) && strings.EqualFold(path[:len(base)], base) {
		return path[len(base):]
	}
	return path
}
