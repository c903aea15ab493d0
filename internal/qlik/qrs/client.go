// Package qrs owns the conversation with the Qlik Repository Service: mutual
// TLS, the cross-site request key, filters, paging, retries, and the reading of
// its documents into the values of package messages.
//
// It guarantees that every call ends when its context does; that connections
// are pooled, so a call costs no TLS handshake while one is alive; that no text
// of a caller can change the meaning of a filter or a path; that text of the QRS
// is cleaned and bounded before anybody sees it; and that an error says what
// was asked of whom, never the request key or a header. A Client is safe for
// concurrent use.
//
// It must never cache, limit or decide: the gate in front of it (actors/qrsgate)
// does. It must never repeat a call that changes something.
package qrs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"butler/internal/httpc"
	"butler/messages"
)

// Bounds of an answer's body, in bytes: of lists and of objects with an ID, of the few
// that have none, and of script logs. A larger answer is an error, and a longer script
// log is cut.
const (
	maxDocumentBytes  = 32 << 20
	maxPlainBytes     = 1 << 20
	maxScriptLogBytes = 16 << 20
)

// maxRedirects bounds the redirects of one call, all of them on the same host.
const maxRedirects = 3

// Client calls one Qlik Repository Service. Build it with New.
type Client struct {
	http      *http.Client
	base      *url.URL
	header    http.Header
	timeout   time.Duration
	retryWait time.Duration
	random    *random
	metrics   *Metrics
	secrets   []string
	expiry    time.Time
	metadata  bool

	// orFilter remembers whether the server understands filters joined by "or".
	orFilter atomic.Int32
	// documentLimit is maxDocumentBytes; tests lower it.
	documentLimit int64
}

// New checks the options, reads the certificates and returns a client. It does
// not connect.
func New(opts Options) (*Client, error) {
	opts = opts.withDefaults()
	base, err := opts.baseURL()
	if err != nil {
		return nil, err
	}
	header, err := opts.header()
	if err != nil {
		return nil, err
	}
	transport, expiry, err := opts.transport(base.Scheme == "https")
	if err != nil {
		return nil, err
	}
	return &Client{
		http:          &http.Client{Transport: transport, CheckRedirect: checkRedirect},
		base:          base,
		header:        header,
		timeout:       opts.Timeout,
		retryWait:     opts.RetryWait,
		random:        &random{source: opts.Rand},
		metrics:       opts.Metrics,
		secrets:       opts.Headers.Secrets(),
		expiry:        expiry,
		metadata:      opts.Metadata,
		documentLimit: maxDocumentBytes,
	}, nil
}

// Host returns the host name of the QRS, without the port.
func (c *Client) Host() string { return c.base.Hostname() }

// CertificateExpiry returns when the client certificate ends; the zero time without one.
func (c *Client) CertificateExpiry() time.Time { return c.expiry }

// Close drops the pooled connections that are idle.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Ping asks for a task that cannot exist: a cheap question that needs the
// network, the certificates and the QRS itself to work.
func (c *Client) Ping(ctx context.Context) error {
	filter, _ := IDs(zeroGUID)
	_, err := list[entityDoc](ctx, c, request{op: opPing, path: "task", filter: filter})
	return err
}

// request is one call, before the request key is added.
type request struct {
	op     Operation
	method string // "" means GET
	path   string // below the base, every variable segment escaped
	filter Filter
	params string // further encoded parameters, such as "skip=0&take=10"
	body   string
	limit  int64 // of the answer's body; 0 means the client's document limit
	// ends says that a body beyond the limit is text that keeps its ends.
	ends bool
	// single says that the path names one object, so that 404 means it does not exist.
	single bool
	// keyless leaves the request key out, for what is not the QRS itself.
	keyless bool
	// seen is told of an answer before it is read; nil is fine.
	seen func(*http.Response)
}

func (r request) verb() string {
	if r.method == "" {
		return http.MethodGet
	}
	return r.method
}

// query returns the encoded parameters without the request key.
func (r request) query() string {
	var parts []string
	if !r.filter.IsZero() {
		parts = append(parts, "filter="+r.filter.Encode())
	}
	if r.params != "" {
		parts = append(parts, r.params)
	}
	return strings.Join(parts, "&")
}

// send makes the call and returns the body of a good answer. What only reads is
// repeated at most maxRetries times after a failure on the way.
func (c *Client) send(ctx context.Context, r request) ([]byte, error) {
	for attempt := 0; ; attempt++ {
		start := time.Now()
		body, err := c.attempt(ctx, r)
		c.metrics.request(r.op, codeOf(err, r), time.Since(start))
		if err == nil || attempt == maxRetries || r.verb() != http.MethodGet || !worthRepeating(err) {
			return body, err
		}
		if !c.pause(ctx, attempt) {
			return nil, err
		}
		c.metrics.retry(r.op)
	}
}

// attempt makes the call once.
func (c *Client) attempt(ctx context.Context, r request) ([]byte, error) {
	key, err := c.random.requestKey()
	if err != nil {
		return nil, fmt.Errorf("draw a request key: %w", err)
	}
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := c.build(bounded, r, key)
	if err != nil {
		return nil, &Error{Kind: messages.FailureRejected, request: r, client: c, err: err}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.transportError(r, key, err)
	}
	defer resp.Body.Close()
	if r.seen != nil {
		r.seen(resp)
	}
	limit := r.limit
	if limit == 0 {
		limit = c.documentLimit
	}
	read := readUpTo
	if r.ends {
		read = httpc.ReadEnds
	}
	body, err := read(resp.Body, limit)
	if err != nil {
		return nil, c.transportError(r, key, err)
	}
	if !r.ends && int64(len(body)) > limit {
		return nil, &Error{Kind: messages.FailureInvalid, request: r, client: c, err: errTooLarge, status: resp.StatusCode}
	}
	body = withoutBOM(body)
	if resp.StatusCode/100 != 2 {
		return nil, c.statusError(r, key, resp.StatusCode, body)
	}
	// The QRS confirms a change without a body, or with 201. Anything else is the page of
	// a proxy, for example one that asks for a login.
	if r.verb() != http.MethodGet && resp.StatusCode != http.StatusCreated && len(bytes.TrimSpace(body)) > 0 {
		return nil, &Error{Kind: messages.FailureInvalid, request: r, client: c, err: errUnexpected, status: resp.StatusCode}
	}
	return body, nil
}

// readUpTo reads a body, and one byte beyond limit of one that is longer.
func readUpTo(body io.Reader, limit int64) ([]byte, error) {
	return io.ReadAll(io.LimitReader(body, limit+1))
}

func (c *Client) build(ctx context.Context, r request, key string) (*http.Request, error) {
	query := r.query()
	if !r.keyless {
		query = strings.TrimPrefix(query+"&xrfkey="+key, "&")
	}
	target := c.base.String() + r.path
	if query != "" {
		target += "?" + query
	}
	var body io.Reader
	if r.body != "" {
		body = strings.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.verb(), target, body)
	if err != nil {
		return nil, errors.New("the address of the call is malformed")
	}
	req.Header = c.header.Clone()
	if !r.keyless {
		req.Header.Set("X-Qlik-Xrfkey", key)
	}
	return req, nil
}

var (
	errUnexpected    = errors.New("the answer has a body, which the repository service never sends here; is this address the repository service itself?")
	errTooLarge      = errors.New("the answer is larger than allowed")
	errOtherHost     = errors.New("redirected to another host; is this address the repository service itself?")
	errManyRedirects = errors.New("redirected too often")
)

// checkRedirect follows redirects within one host only: headers and the client
// certificate are meant for nobody else. One that turns a call into a mere GET is
// itself the answer: the page that it leads to says nothing of what was to be changed.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case req.Method != first.Method:
		return http.ErrUseLastResponse
	case req.URL.Scheme != first.URL.Scheme || req.URL.Host != first.URL.Host:
		return errOtherHost
	case len(via) > maxRedirects:
		return errManyRedirects
	}
	return nil
}

// withoutBOM removes the UTF-8 byte order mark that the QRS puts before some texts.
func withoutBOM(body []byte) []byte {
	if len(body) >= 3 && body[0] == 0xEF && body[1] == 0xBB && body[2] == 0xBF {
		return body[3:]
	}
	return body
}
