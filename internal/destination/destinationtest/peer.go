package destinationtest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"butler/internal/destination"
)

// Peer is a fake provider on the loopback interface. A nil function is
// something that its protocol does not have; the suite leaves its test out.
// Functions are called from the goroutine of the test.
type Peer struct {
	// Address is what the configuration of the destination names:
	// "http://127.0.0.1:1234" or "127.0.0.1:2525".
	Address string
	// Publisher is how a destination reaches the peer over MQTT; nil for other protocols.
	Publisher destination.Publisher
	// Received returns what was accepted so far, in order, in the form of golden files.
	Received func() []string
	// Arrived yields a value for every attempt that reached the peer, whatever the answer.
	Arrived <-chan struct{}
	// Accept takes every message from now on; a new peer does.
	Accept func()
	// Answer refuses (or accepts) every message with a code from now on, and
	// with the delay that the protocol can name, "" for none.
	Answer func(code int, retryAfter string)
	// Stall lets every attempt wait for an answer for ever.
	Stall func()
	// Reset breaks the connection of every attempt.
	Reset func()
	// Truncate ends every connection in the middle of the answer.
	Truncate func()
	// Redirect sends every attempt to another address.
	Redirect func(code int, to string)
}

// HTTPPeer is a Peer that speaks HTTP, for tests beyond the suite too.
type HTTPPeer struct {
	server *httptest.Server
	aside  func(http.ResponseWriter, *http.Request) bool

	mu       sync.Mutex
	answer   func(http.ResponseWriter, *http.Request, []byte)
	requests []Request
	// shown are the requests as golden files show them, as far as somebody has asked.
	shown []string

	arrived  chan struct{}
	released chan struct{}
}

// Request is one accepted HTTP request.
type Request struct {
	Method string
	// Target is path and query, as sent.
	Target string
	Header http.Header
	// Body is the body, decompressed.
	Body []byte
}

// NewHTTPPeer starts a provider that answers 200 to everything and stops with
// the test. aside, which may be nil, answers requests that are no message, such
// as look-ups, and reports whether it did.
func NewHTTPPeer(tb testing.TB, aside func(http.ResponseWriter, *http.Request) bool) *HTTPPeer {
	tb.Helper()
	p := &HTTPPeer{aside: aside, arrived: make(chan struct{}, 4096), released: make(chan struct{})}
	p.answerWith(p.accept)
	p.server = httptest.NewServer(http.HandlerFunc(p.serve))
	tb.Cleanup(func() {
		close(p.released)
		p.server.Close()
	})
	return p
}

// URL is the address of the provider, without a path.
func (p *HTTPPeer) URL() string { return p.server.URL }

// Requests returns what was accepted so far.
func (p *HTTPPeer) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// received returns what was accepted so far in the form of golden files.
func (p *HTTPPeer) received() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.requests[len(p.shown):] {
		p.shown = append(p.shown, r.Golden())
	}
	return slices.Clone(p.shown)
}

// Respond answers every message from now on as it likes; nothing counts as accepted.
func (p *HTTPPeer) Respond(answer http.HandlerFunc) {
	p.answerWith(func(w http.ResponseWriter, r *http.Request, body []byte) {
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer(w, r)
	})
}

// Peer returns p as the suite sees it.
func (p *HTTPPeer) Peer() *Peer {
	return &Peer{
		Address: p.URL(), Arrived: p.arrived,
		Received: p.received,
		Accept:   func() { p.answerWith(p.accept) },
		Answer:   p.refuse,
		Stall:    func() { p.answerWith(p.stall) },
		Reset:    func() { p.answerWith(reset) },
		Truncate: func() { p.answerWith(truncate) },
		Redirect: func(code int, to string) {
			p.answerWith(func(w http.ResponseWriter, r *http.Request, _ []byte) { http.Redirect(w, r, to, code) })
		},
	}
}

func (p *HTTPPeer) answerWith(answer func(http.ResponseWriter, *http.Request, []byte)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = answer
}

func (p *HTTPPeer) serve(w http.ResponseWriter, r *http.Request) {
	if p.aside != nil && p.aside(w, r) {
		return
	}
	body, err := readBody(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	answer := p.answer
	p.mu.Unlock()
	select {
	case p.arrived <- struct{}{}:
	default:
	}
	answer(w, r, body)
}

func readBody(r *http.Request) ([]byte, error) {
	in := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unpacked, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		in = unpacked
	}
	return io.ReadAll(io.LimitReader(in, 64<<20))
}

func (p *HTTPPeer) accept(w http.ResponseWriter, r *http.Request, body []byte) {
	if idle := len(body) == 0 && r.Method == http.MethodPost; r.Method == http.MethodHead || idle || r.URL.Path == "/ping" {
		return // a look at the way, not a message
	}
	p.mu.Lock()
	p.requests = append(p.requests, Request{Method: r.Method, Target: r.RequestURI, Header: r.Header.Clone(), Body: body})
	p.mu.Unlock()
	_, _ = io.WriteString(w, "ok")
}

// refuse answers with the whole request, as a provider may: nothing of it may reach an error.
func (p *HTTPPeer) refuse(code int, retryAfter string) {
	p.answerWith(func(w http.ResponseWriter, r *http.Request, body []byte) {
		if code >= 200 && code < 300 {
			w.WriteHeader(code)
			return
		}
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		w.WriteHeader(code)
		_, _ = fmt.Fprintf(w, "refused: http://%s%s\n", r.Host, r.RequestURI)
		_ = r.Header.Write(w)
		_, _ = w.Write(body)
	})
}

func (p *HTTPPeer) stall(_ http.ResponseWriter, r *http.Request, _ []byte) {
	select {
	case <-r.Context().Done():
	case <-p.released:
	}
}

func reset(w http.ResponseWriter, _ *http.Request, _ []byte) {
	hijacked(w, func(conn net.Conn) {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	})
}

func truncate(w http.ResponseWriter, _ *http.Request, _ []byte) {
	hijacked(w, func(conn net.Conn) { _, _ = io.WriteString(conn, "HTTP/1.1 200 O") })
}

func hijacked(w http.ResponseWriter, act func(net.Conn)) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic("BUG: the test server cannot hijack: " + err.Error())
	}
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	act(conn)
	_ = conn.Close()
}

// quietHeaders say nothing about the message: the transport sets them.
var quietHeaders = []string{"Accept-Encoding", "Content-Encoding", "Content-Length", "User-Agent"}

// Golden returns the request as a golden file shows it: method and target, the
// headers that the destination chose, and the body, indented when it is JSON.
func (r Request) Golden() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s\n", r.Method, r.Target)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		if slices.Contains(quietHeaders, name) {
			continue
		}
		for _, value := range r.Header[name] {
			fmt.Fprintf(&out, "%s: %s\n", name, value)
		}
	}
	if len(r.Body) == 0 {
		return out.String()
	}
	out.WriteByte('\n')
	var indented bytes.Buffer
	if json.Indent(&indented, r.Body, "", "  ") == nil {
		indented.WriteByte('\n')
		return out.String() + indented.String()
	}
	return out.String() + string(r.Body)
}
