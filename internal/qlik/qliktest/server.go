// Package qliktest owns the stand-ins for Qlik Sense in tests: a small HTTP
// server that answers like a Qlik Repository Service, the certificates for it,
// and a scripted port for the gate.
//
// It guarantees that every request is recorded with the time-free parts a test
// can compare, and that the server enforces what the real one does: the request
// key in header and parameter, a user header, and a client certificate with
// TLS. It must never decide what a test expects. It is for tests only.
package qliktest

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Request is a call that the server received.
type Request struct {
	Method string
	// Path is below "/qrs/", decoded.
	Path string
	// Filter is the decoded filter parameter.
	Filter string
	// RawQuery is the query as it was on the wire, without the request key.
	RawQuery string
	Header   http.Header
	Body     string
	// Key is the request key.
	Key string
}

// Response is what the server answers. Status 0 means 200.
type Response struct {
	Status int
	Body   string
	Header http.Header
	// Hang makes the server wait until the client is gone.
	Hang bool
	// Reset makes the server drop the connection.
	Reset bool
}

// Server is a Qlik Repository Service made of one function.
type Server struct {
	// URL is the base address, ending in "/qrs/".
	URL string

	handshakes atomic.Int64
	mu         sync.Mutex
	requests   []Request
}

// NewServer starts a server on a loopback port that answers with handle. With
// an authority it speaks TLS and demands a client certificate of it; with nil
// it speaks plain HTTP.
func NewServer(tb testing.TB, authority *Authority, handle func(Request) Response) *Server {
	tb.Helper()
	s := &Server{}
	inner := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, handle) }))
	if authority == nil {
		inner.Start()
	} else {
		inner.TLS = authority.serverConfig()
		inner.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			s.handshakes.Add(1)
			return nil, nil //nolint:nilnil // nil means the server's own configuration
		}
		inner.StartTLS()
	}
	tb.Cleanup(func() {
		inner.CloseClientConnections()
		inner.Close()
	})
	s.URL = inner.URL + "/qrs/"
	return s
}

// Handshakes returns how many TLS handshakes were begun.
func (s *Server) Handshakes() int { return int(s.handshakes.Load()) }

// Requests returns what was received so far, in order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, handle func(Request) Response) {
	body, _ := io.ReadAll(r.Body)
	key := r.Header.Get("X-Qlik-Xrfkey")
	request := Request{
		Method: r.Method, Path: strings.TrimPrefix(r.URL.Path, "/qrs/"), Header: r.Header, Body: string(body),
		Filter: r.URL.Query().Get("filter"), RawQuery: withoutKey(r.URL.RawQuery), Key: key,
	}
	s.mu.Lock()
	s.requests = append(s.requests, request)
	s.mu.Unlock()
	switch {
	case len(key) != 16 || r.URL.Query().Get("xrfkey") != key:
		http.Error(w, "XSRF prevention check failed. Possible XSRF discovered.", http.StatusBadRequest)
		return
	case r.Header.Get("X-Qlik-User") == "":
		http.Error(w, "no user", http.StatusForbidden)
		return
	}
	answer(w, r, handle(request))
}

func answer(w http.ResponseWriter, r *http.Request, with Response) {
	if with.Hang {
		<-r.Context().Done()
		return
	}
	if with.Reset {
		if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			_ = conn.Close()
		}
		return
	}
	for name, values := range with.Header {
		w.Header()[name] = values
	}
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json;charset=utf-8")
	}
	if with.Status != 0 {
		w.WriteHeader(with.Status)
	}
	_, _ = io.WriteString(w, with.Body)
}

func withoutKey(raw string) string {
	var kept []string
	for part := range strings.SplitSeq(raw, "&") {
		if !strings.HasPrefix(part, "xrfkey=") {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "&")
}

var idTerm = regexp.MustCompile(`id eq ([0-9a-f-]{36})`)

// ByID answers a filter "id eq ... or id eq ..." from documents by ID.
func ByID(documents map[string]string) func(Request) Response {
	return func(r Request) Response {
		var found []string
		for _, term := range idTerm.FindAllStringSubmatch(r.Filter, -1) {
			if document, ok := documents[term[1]]; ok {
				found = append(found, document)
			}
		}
		return Response{Body: "[" + strings.Join(found, ",") + "]"}
	}
}
