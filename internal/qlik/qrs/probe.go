package qrs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ProbeResult is the result of Probe.
type ProbeResult struct {
	// Version is the version that the QRS reports; "" when it reports none.
	Version string
	// Clock is the time that it reported; the zero time when it reported none.
	Clock time.Time
	// TLS is the version of the protocol, "" without TLS.
	TLS string
	// CertificateEnds is when its certificate expires; the zero time without TLS.
	CertificateEnds time.Time
	// Untrusted is why its certificate fails verification; nil when it passes. It is
	// set even with InsecureSkipVerify, where the connection succeeds nevertheless.
	Untrusted error
}

// Probe calls the QRS once, and returns what it shows of itself, even when the answer is
// an error.
func (c *Client) Probe(ctx context.Context) (ProbeResult, error) {
	var seen ProbeResult
	r := request{op: opPing, path: "about", seen: func(resp *http.Response) { seen = c.resultOf(resp) }}
	body, err := c.attempt(ctx, r)
	if err != nil {
		return seen, err
	}
	var about struct {
		Version text `json:"buildVersion"`
	}
	if err := decodeObject(body, &about); err != nil {
		return seen, c.invalid(r, "%w", err)
	}
	seen.Version = about.Version.line(maxName)
	return seen, nil
}

func (c *Client) resultOf(resp *http.Response) ProbeResult {
	var seen ProbeResult
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		seen.Clock = date
	}
	if resp.TLS == nil || len(resp.TLS.PeerCertificates) == 0 {
		return seen
	}
	shown := resp.TLS.PeerCertificates
	seen.TLS, seen.CertificateEnds = tls.VersionName(resp.TLS.Version), shown[0].NotAfter
	options := x509.VerifyOptions{DNSName: c.Host(), Intermediates: x509.NewCertPool()}
	if transport, ok := c.http.Transport.(*http.Transport); ok && transport.TLSClientConfig != nil {
		options.Roots = transport.TLSClientConfig.RootCAs
	}
	for _, between := range shown[1:] {
		options.Intermediates.AddCert(between)
	}
	_, seen.Untrusted = shown[0].Verify(options)
	return seen
}

// Count returns how many objects of a kind, such as "task", the user of the
// headers can see. The QRS hides what a user may not see rather than refuse.
func (c *Client) Count(ctx context.Context, kind string) (int64, error) {
	r := request{op: opPing, path: kind + "/count"}
	body, err := c.send(ctx, r)
	if err != nil {
		return 0, err
	}
	var doc struct {
		Value integer `json:"value"`
	}
	if err := decodeObject(body, &doc); err != nil {
		return 0, c.invalid(r, "%w", err)
	}
	return doc.Value.amount(), nil
}

// Reference is an object that others refer to.
type Reference struct{ ID, Name string }

// A server accepts URLs of 16 KiB: one call asks for namesOfCall names, and for fewer if
// they are longer than lengthOfCall together. A character may take nine bytes when it is
// percent-encoded.
const (
	namesOfCall  = 10
	lengthOfCall = 8 << 10
)

// inCalls splits names into those of each call.
func inCalls(names []string) [][]string {
	var out [][]string
	for len(names) > 0 {
		n := 1
		for n < min(len(names), namesOfCall) && len(Named(names[:n+1]...).Encode()) <= lengthOfCall {
			n++
		}
		out, names = append(out, names[:n]), names[n:]
	}
	return out
}

// Named returns the objects of a kind, such as "tag" or "task", that have one of the
// names, which are IDs or names; the repository may ignore letter case. Until the server
// has proven that it understands "or", objects that an answer lacks are asked for one by
// one, as in oneBatch, and so are all names of a filter that was refused.
func (c *Client) Named(ctx context.Context, kind string, names ...string) ([]Reference, error) {
	var out []Reference
	for _, some := range inCalls(names) {
		found, err := c.named(ctx, kind, some...)
		failed, _ := errors.AsType[*Error](err)
		refused := failed != nil && blamesTheQuestion(failed)
		if err != nil && (!refused || len(some) == 1) {
			return nil, err
		}
		out = append(out, found...)
		if len(some) == 1 || !refused && c.orFilter.Load() == orWorks {
			continue
		}
		for _, name := range some {
			if slices.ContainsFunc(found, func(r Reference) bool { return r.Name == name || strings.EqualFold(r.ID, name) }) {
				continue
			}
			one, err := c.named(ctx, kind, name)
			if err != nil {
				return nil, err
			}
			out = append(out, one...)
		}
	}
	return out, nil
}

// named asks for all names with one call.
func (c *Client) named(ctx context.Context, kind string, names ...string) ([]Reference, error) {
	docs, err := list[entityDoc](ctx, c, request{op: opPing, path: kind, filter: Named(names...)})
	return translate(docs, func(d entityDoc) Reference { return Reference{d.key(), d.Name.line(maxName)} }), err
}
