package edge

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// maxRequestBody bounds the body of a request, in bytes.
const maxRequestBody = 16 << 20

// HTTPOptions describe an HTTP endpoint.
type HTTPOptions struct {
	Handler http.Handler
	// TLS serves HTTPS; nil serves plain HTTP.
	TLS *tls.Config
	// Faults apply to every request; nil means none to begin with.
	Faults *Faults
	// Observe, if set, is called with every request when it is over, whatever its outcome.
	Observe func(Exchange)
}

// Exchange is one request and its outcome.
type Exchange struct {
	At   time.Time
	Took time.Duration
	// Method and Path are as received; Path is decoded, RawQuery is not.
	Method   string
	Path     string
	RawQuery string
	Header   http.Header
	Body     []byte
	// Status is the status code that was written, 0 when the client got none.
	Status int
	// Fault is the kind of the fault that decided the answer, Slow for a correct one.
	Fault FaultKind
}

// HTTP is an HTTP/1.1 endpoint behind a Door, with faults and a load meter.
type HTTP struct {
	door    *Door
	server  *http.Server
	faults  *Faults
	handler http.Handler
	observe func(Exchange)
	scheme  string
	stop    context.CancelFunc
	stopped context.Context //nolint:containedctx // the life of the endpoint, handed to every request as its base

	handshakes  atomic.Int64
	requests    atomic.Int64
	inFlight    atomic.Int64
	maxInFlight atomic.Int64
}

// Load is the load of an endpoint so far.
type Load struct {
	Connections int64
	// Handshakes counts completed TLS handshakes, including resumed ones.
	Handshakes  int64
	Requests    int64
	InFlight    int64
	MaxInFlight int64
}

// NewHTTP returns an endpoint that does not listen yet.
func NewHTTP(o HTTPOptions) *HTTP {
	h := &HTTP{handler: o.Handler, faults: o.Faults, observe: o.Observe, scheme: "http"}
	if h.faults == nil {
		h.faults = NewFaults(0)
	}
	if h.observe == nil {
		h.observe = func(Exchange) {}
	}
	h.stopped, h.stop = context.WithCancel(context.Background())

	// Faults hijack connections, which HTTP/2 does not allow; the QRS speaks 1.1 anyway.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	h.server = &http.Server{
		Handler:           http.HandlerFunc(h.serveHTTP),
		Protocols:         protocols,
		ReadHeaderTimeout: 30 * time.Second,
		MaxHeaderBytes:    1 << 20,
		ErrorLog:          log.New(io.Discard, "", 0),
		BaseContext:       func(net.Listener) context.Context { return h.stopped },
	}
	h.door = NewDoor(func(l net.Listener) { _ = h.server.Serve(l) })
	if o.TLS != nil {
		h.scheme = "https"
		config := h.countHandshakes(o.TLS)
		h.door = NewDoor(func(l net.Listener) { _ = h.server.Serve(tls.NewListener(l, config)) })
	}
	return h
}

func (h *HTTP) countHandshakes(config *tls.Config) *tls.Config {
	config = config.Clone()
	config.NextProtos = []string{"http/1.1"}
	config.VerifyConnection = func(tls.ConnectionState) error {
		h.handshakes.Add(1)
		return nil
	}
	return config
}

// Start listens on a free port of 127.0.0.1.
func (h *HTTP) Start() error {
	if h.stopped.Err() != nil {
		return ErrStopped
	}
	return h.door.Open()
}

// Stop ends every request and connection and frees the port. It cannot be started again.
func (h *HTTP) Stop() {
	h.stop()
	h.door.Shut()
	_ = h.server.Close()
}

// Refuse makes the endpoint unreachable, or reachable again at the same address.
func (h *HTTP) Refuse(on bool) error {
	if h.stopped.Err() != nil {
		return ErrStopped
	}
	return h.door.Refuse(on)
}

// URL returns the base address without a trailing slash.
func (h *HTTP) URL() string { return h.scheme + "://" + h.door.Addr() }

// Addr returns host:port.
func (h *HTTP) Addr() string { return h.door.Addr() }

// Faults returns the set of rules that apply.
func (h *HTTP) Faults() *Faults { return h.faults }

// Load returns the meter readings.
func (h *HTTP) Load() Load {
	return Load{
		Connections: h.door.Accepted(),
		Handshakes:  h.handshakes.Load(),
		Requests:    h.requests.Load(),
		InFlight:    h.inFlight.Load(),
		MaxInFlight: h.maxInFlight.Load(),
	}
}

func (h *HTTP) serveHTTP(plain http.ResponseWriter, r *http.Request) {
	h.requests.Add(1)
	h.enter()
	defer h.inFlight.Add(-1)

	start := time.Now()
	w := &witness{ResponseWriter: plain}
	exchange := Exchange{At: start, Method: r.Method, Path: r.URL.Path, RawQuery: r.URL.RawQuery, Header: r.Header}
	defer func() {
		exchange.Took, exchange.Status = time.Since(start), w.status
		h.observe(exchange)
	}()

	// The body is read first: only then does net/http detect a client that gave up.
	body, err := readBody(w, r)
	exchange.Body = body
	if err != nil {
		http.Error(w, "request body too large or broken", http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))

	verdict := h.faults.Judge(r.Method, r.URL.Path)
	exchange.Fault = verdict.Fault.Kind
	if !Pause(r.Context(), verdict.Delay) {
		Break(w)
		return
	}
	h.answer(w, r, verdict.Fault)
}

// readBody reads a body whose length is mostly known in advance.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	var body bytes.Buffer
	if 0 < r.ContentLength && r.ContentLength <= maxRequestBody {
		body.Grow(int(r.ContentLength) + bytes.MinRead) // ReadFrom needs that much spare room at the end
	}
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, maxRequestBody))
	return body.Bytes(), err
}

func (h *HTTP) answer(w http.ResponseWriter, r *http.Request, fault Rule) {
	switch fault.Kind {
	case Slow:
		h.handler.ServeHTTP(w, r)
	case ResetBefore:
		Break(w)
	case ResetAfter:
		h.handler.ServeHTTP(newDraft(), r)
		Break(w)
	case Status:
		writeStatus(w, fault)
	case WrongShape:
		writeJSON(w, http.StatusOK, cmp.Or(fault.Body, `{"message":"an object where a list was expected"}`))
	case InvalidJSON:
		writeJSON(w, http.StatusOK, cmp.Or(fault.Body, `[{"id":"f1e2d3c4-`))
	case Truncate:
		h.truncate(w, r)
	case Hang:
		<-r.Context().Done()
		Break(w)
	}
}

func (h *HTTP) truncate(w http.ResponseWriter, r *http.Request) {
	whole := newDraft()
	h.handler.ServeHTTP(whole, r)
	maps.Copy(w.Header(), whole.header)
	w.Header().Set("Content-Length", strconv.Itoa(whole.body.Len()+1))
	w.WriteHeader(whole.status)
	_, _ = w.Write(whole.body.Bytes()[:whole.body.Len()/2])
	_ = http.NewResponseController(w).Flush()
	Break(w)
}

func (h *HTTP) enter() {
	now := h.inFlight.Add(1)
	for {
		seen := h.maxInFlight.Load()
		if now <= seen || h.maxInFlight.CompareAndSwap(seen, now) {
			return
		}
	}
}

// Break resets the connection of a response.
func Break(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	Reset(conn)
}

func writeStatus(w http.ResponseWriter, fault Rule) {
	status := fault.Status
	if status == 0 {
		status = http.StatusInternalServerError
	}
	if fault.RetryAfter > 0 {
		seconds := (fault.RetryAfter + time.Second - 1) / time.Second
		w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	writeJSON(w, status, cmp.Or(fault.Body, `{"message":"simulated fault"}`))
}

func writeJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// witness records the status that was written.
type witness struct {
	http.ResponseWriter
	status int
}

func (w *witness) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *witness) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *witness) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// draft is a response that is buffered instead of sent.
type draft struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newDraft() *draft { return &draft{header: make(http.Header), status: http.StatusOK} }

func (d *draft) Header() http.Header         { return d.header }
func (d *draft) WriteHeader(status int)      { d.status = status }
func (d *draft) Write(p []byte) (int, error) { return d.body.Write(p) }
