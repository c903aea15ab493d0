// Package httpc owns outgoing HTTP calls: the client with its connections, certificates,
// proxy and limits, the classification of responses for retries, and the redaction of
// secrets in errors.
//
// It guarantees that a call ends (a timeout, a bounded response, at most five
// redirects), that a message never reaches another host than the configured one
// and never loses its body on the way, that certificates are verified unless
// the operator said otherwise, and that no error of Send, Check or Redact holds
// a path, a query, credentials or a header. Clients are safe for concurrent use.
//
// It must never retry, wait between attempts or log: the caller decides.
package httpc

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"butler/internal/destination"
)

const (
	// DefaultTimeout bounds a call from dialling to the last byte of the answer.
	DefaultTimeout = 10 * time.Second
	// MaxBody is the largest response body in bytes, unless HTTPOptions.MaxBody is set.
	// Reading more fails with ErrBodyTooLong.
	MaxBody = 1 << 20

	maxRedirects = 5
	maxIdle      = 16
	idleTimeout  = 90 * time.Second
)

var (
	// ErrBodyTooLong reports a response body that exceeds the limit of the client.
	ErrBodyTooLong = errors.New("the answer is too long")
	// ErrRedirect reports a redirect that was not followed, because the message
	// would go to another host, in clear text, or without its body.
	ErrRedirect = errors.New("redirect refused")
)

// New returns a client with a connection pool of its own. It verifies
// certificates with the platform's trust store, or with CAFile alone; that file
// is read again when it changes. Proxies come from the environment
// (HTTP_PROXY, HTTPS_PROXY, NO_PROXY).
func New(o destination.HTTPOptions) (*http.Client, error) {
	pool := &pool{options: o}
	if _, err := pool.current(); err != nil {
		return nil, err
	}
	timeout := o.Timeout
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	return &http.Client{Transport: pool, Timeout: timeout, CheckRedirect: checkRedirect}, nil
}

// pool is the transport of one client. With a CA file it is replaced when the
// file changes, so that a rotated certificate needs no restart.
type pool struct {
	options destination.HTTPOptions

	mu        sync.Mutex
	transport *http.Transport
	stamp     fileStamp
}

// fileStamp identifies a version of a file.
type fileStamp struct {
	modified time.Time
	size     int64
}

// RoundTrip implements http.RoundTripper.
func (p *pool) RoundTrip(req *http.Request) (*http.Response, error) {
	transport, err := p.current()
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body = &cappedBody{ReadCloser: resp.Body, left: cmp.Or(p.options.MaxBody, MaxBody)}
	return resp, nil
}

// CloseIdleConnections lets http.Client.CloseIdleConnections work.
func (p *pool) CloseIdleConnections() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.transport != nil {
		p.transport.CloseIdleConnections()
	}
}

// current returns the transport for the CA file as it is now.
func (p *pool) current() (*http.Transport, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.options.CAFile == "" {
		if p.transport == nil {
			p.transport = newTransport(nil, p.options.InsecureSkipVerify)
		}
		return p.transport, nil
	}
	info, err := os.Stat(p.options.CAFile)
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	stamp := fileStamp{modified: info.ModTime(), size: info.Size()}
	if p.transport != nil && p.stamp == stamp {
		return p.transport, nil
	}
	trusted, err := readCAFile(p.options.CAFile)
	if err != nil {
		return nil, err
	}
	if p.transport != nil {
		p.transport.CloseIdleConnections()
	}
	p.transport, p.stamp = newTransport(trusted, p.options.InsecureSkipVerify), stamp
	return p.transport, nil
}

func readCAFile(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read CA file: %s holds no PEM certificate", path)
	}
	return trusted, nil
}

func newTransport(trusted *x509.CertPool, insecure bool) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: checkProxy,
		DialContext:            (&net.Dialer{Timeout: DefaultTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12,
			RootCAs:    trusted,
			// Off only where the operator wrote so.
			InsecureSkipVerify: insecure,
		},
		TLSHandshakeTimeout:    DefaultTimeout,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           maxIdle,
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// checkRedirect allows a redirect only to the configured host, with method and body
// unchanged, and never from https to http.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("%w: more than %d in a row", ErrRedirect, maxRedirects)
	case first.URL.Scheme == "https" && req.URL.Scheme != "https":
		return fmt.Errorf("%w: it leads from https to %s", ErrRedirect, req.URL.Scheme)
	case !sameHost(first.URL, req.URL):
		return fmt.Errorf("%w: it leads to another host, %s", ErrRedirect, RedactURL(req.URL.String()))
	case req.Method != first.Method:
		return fmt.Errorf("%w: it turns %s into %s, which drops the message", ErrRedirect, first.Method, req.Method)
	}
	return nil
}

// sameHost compares host and port; the step from port 80 to TLS on port 443 is no change of host.
func sameHost(from, to *url.URL) bool {
	if !strings.EqualFold(from.Hostname(), to.Hostname()) {
		return false
	}
	upgraded := from.Scheme == "http" && to.Scheme == "https" && portOf(from) == "80" && portOf(to) == "443"
	return portOf(from) == portOf(to) || upgraded
}

func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	if u.Scheme == "https" {
		return "443"
	}
	return "80"
}

// cappedBody is a response body that ends with ErrBodyTooLong after left bytes.
type cappedBody struct {
	io.ReadCloser
	left int64
}

// Read implements io.Reader.
func (b *cappedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, ErrBodyTooLong
	}
	// One byte more than allowed tells a body of exactly the limit from a longer one.
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return n - 1, ErrBodyTooLong
	}
	return n, err
}
