// Package cloud owns the queries to a Qlik Cloud tenant about an app reload.
//
// It guarantees that a call ends with its context, that an answer is bounded and its
// texts sanitised, that an answer which cannot be parsed is an error and one that lacks
// a detail is not, and that no error holds the token. An error has a class (Failure) and
// the pause that the tenant has asked for (RetryAfter). A Client is safe for concurrent
// use.
//
// It must never retry, wait, cache or log: its caller decides.
package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"butler/internal/destination"
	"butler/internal/httpc"
	"butler/internal/jsonshape"
	"butler/internal/secret"
	"butler/internal/text"
	"butler/messages"
)

// Options describe a tenant. URL and Token are required.
type Options struct {
	// URL is https://<tenant>; a trailing slash does not matter.
	URL   string
	Token secret.String
	// CAFile replaces the platform's trust store when set.
	CAFile string
	// Timeout bounds a call; 0 means 30 s.
	Timeout time.Duration
}

// Client asks a tenant.
type Client struct {
	base  *url.URL
	token secret.String
	http  *http.Client
}

const (
	defaultTimeout = 30 * time.Second
	// maxScriptLog is how much of a script log is kept.
	maxScriptLog = 16 << 20
	// maxBody is the largest answer that is read to its end.
	maxBody = 1 << 30
	// maxDocument is the largest document that is read.
	maxDocument = 1 << 20

	maxName        = 500
	maxDescription = 4000
	maxStamp       = 64
	maxTags        = 200
)

// New returns a client. An address that is not HTTPS is refused unless it is of
// this machine, since the token goes with every call.
func New(o Options) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(o.URL, "/"))
	if err != nil || base.Hostname() == "" || base.User != nil || base.RawQuery != "" {
		return nil, errors.New("the address of the tenant is not like https://tenant.eu.qlikcloud.com")
	}
	if base.Scheme != "https" && (base.Scheme != "http" || !loopback(base.Hostname())) {
		return nil, errors.New("the address of the tenant has to begin with https://")
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	client, err := httpc.New(destination.HTTPOptions{Timeout: o.Timeout, CAFile: o.CAFile, MaxBody: maxBody})
	if err != nil {
		return nil, err
	}
	return &Client{base: base, token: o.Token, http: client}, nil
}

func loopback(host string) bool { return host == "localhost" || host == "127.0.0.1" || host == "::1" }

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Error is a call that did not work.
type Error struct {
	kind  messages.FailureKind
	after time.Duration
	text  string
}

// Error implements error.
func (e *Error) Error() string { return e.text }

// Failure says what the error means.
func (e *Error) Failure() messages.Failure { return messages.Failure{Kind: e.kind, Text: e.text} }

// RetryAfter is the pause that the tenant has asked for; 0 for none.
func (e *Error) RetryAfter() time.Duration { return e.after }

func invalid(format string, args ...any) error {
	return &Error{kind: messages.FailureInvalid, text: fmt.Sprintf(format, args...)}
}

// get makes one call, and reads its answer. Path segments are escaped here, whatever the caller has checked.
func (c *Client) get(ctx context.Context, read func(io.Reader) ([]byte, error), query url.Values, segments ...string) ([]byte, error) {
	target := c.base.JoinPath("api", "v1")
	for _, s := range segments {
		target = target.JoinPath(url.PathEscape(s))
	}
	target.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), http.NoBody)
	if err != nil {
		return nil, invalid("the address of the call is broken")
	}
	token := c.token.Reveal()
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json, text/plain")
	body, err := httpc.FetchWith(c.http, req, read, token)
	if err != nil {
		return nil, classify(ctx, err)
	}
	return body, nil
}

// classify says what the failure of a call means.
func classify(ctx context.Context, err error) error {
	out := &Error{kind: messages.FailureUnavailable, text: text.Line(err.Error(), maxName)}
	if errors.Is(err, httpc.ErrBodyTooLong) {
		out.kind = messages.FailureRejected
		return out
	}
	kind, after := destination.KindOf(err)
	switch kind {
	case destination.ThrottledKind:
		out.kind, out.after = messages.FailureBusy, max(after, time.Second)
	case destination.PermanentKind, destination.MisconfiguredKind:
		out.kind = messages.FailureRejected
		if status, ok := errors.AsType[*httpc.StatusError](err); ok && (status.Code == http.StatusNotFound || status.Code == http.StatusGone) {
			out.kind = messages.FailureNotFound
		}
	default:
		if ctx.Err() != nil {
			out.kind = messages.FailureTimeout
		}
	}
	return out
}

// document makes a call and decodes its answer. A member of another type than
// expected is left out; anything that is not the expected object is an error.
func (c *Client) document(ctx context.Context, into any, query url.Values, segments ...string) error {
	start := func(answer io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(answer, maxDocument+1)) }
	body, err := c.get(ctx, start, query, segments...)
	if err != nil {
		return err
	}
	if len(body) > maxDocument {
		return invalid("%s: the answer has more than %d bytes", c.base.Host, maxDocument)
	}
	err = json.Unmarshal(body, into)
	odd, whole, mistyped := jsonshape.Mismatch(err)
	switch {
	case err != nil && !mistyped:
		return invalid("%s: the answer is not JSON", c.base.Host)
	case whole:
		return invalid("%s: the answer has %s", c.base.Host, odd)
	}
	return nil
}
