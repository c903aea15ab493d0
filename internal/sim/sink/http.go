package sink

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"butler/internal/sim/edge"
)

// HTTPOptions describe an HTTP sink. The zero value answers 200 "ok" over plain HTTP.
type HTTPOptions struct {
	// Status and Body are the answer to everything; 0 and "" mean 200 and "ok".
	Status int
	Body   string
	// TLS serves HTTPS.
	TLS *tls.Config
	// Seed decides which requests a fault with a percentage hits.
	Seed    uint64
	History int
}

// HTTP is a sink for webhooks: it accepts every method and path.
type HTTP struct {
	*edge.HTTP
	history *edge.History[HTTPRequest]
}

// HTTPRequest is one recorded request.
type HTTPRequest struct {
	At     time.Time
	Method string
	Path   string
	Query  url.Values
	Header http.Header
	Body   []byte
	// Status is the status of the answer, 0 when the client got none.
	Status int
	Fault  edge.FaultKind
}

// Delivered reports whether the client was told that its request succeeded.
func (r HTTPRequest) Delivered() bool { return r.Status >= 200 && r.Status < 300 }

// Mentions reports whether a text, such as an execution ID, is in the query or the body.
func (r HTTPRequest) Mentions(marker string) bool {
	if strings.Contains(string(r.Body), marker) {
		return true
	}
	for _, values := range r.Query {
		for _, value := range values {
			if strings.Contains(value, marker) {
				return true
			}
		}
	}
	return false
}

// NewHTTP returns a sink that does not listen yet.
func NewHTTP(o HTTPOptions) *HTTP {
	if o.Status == 0 {
		o.Status = http.StatusOK
	}
	if o.Body == "" {
		o.Body = "ok"
	}
	s := &HTTP{history: edge.NewHistory[HTTPRequest](o.History)}
	s.HTTP = edge.NewHTTP(edge.HTTPOptions{
		TLS:    o.TLS,
		Faults: edge.NewFaults(o.Seed),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(o.Status)
			_, _ = io.WriteString(w, o.Body)
		}),
		Observe: s.record,
	})
	return s
}

// History returns the recorded requests, including refused and broken ones.
func (s *HTTP) History() *edge.History[HTTPRequest] { return s.history }

func (s *HTTP) record(e edge.Exchange) {
	query, _ := url.ParseQuery(e.RawQuery) // without the parameters that cannot be parsed
	s.history.Add(HTTPRequest{
		At: e.At, Method: e.Method, Path: e.Path, Query: query, Header: e.Header.Clone(), Body: e.Body,
		Status: e.Status, Fault: e.Fault,
	})
}
