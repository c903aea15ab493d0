package httpc

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"butler/internal/destination"
)

// Probe returns a check of the connection to an address: DNS, proxy, TCP, certificates
// and a response. It sends a HEAD request for the root path, without the path, query and
// credentials of the address, so it has no effect there.
func Probe(client *http.Client, address string) destination.Probe {
	target, err := url.Parse(address)
	if err != nil || target.Scheme != "http" && target.Scheme != "https" || target.Hostname() == "" {
		broken := destination.Misconfigured(fmt.Errorf("the address needs http or https and a host, it is %s", RedactURL(address)))
		return destination.Probe{Key: address, Run: func(context.Context) (destination.ProbeResult, error) { return destination.ProbeResult{}, broken }}
	}
	start := (&url.URL{Scheme: target.Scheme, Host: target.Host, Path: "/"}).String()
	key := start
	if pool, ok := client.Transport.(*pool); ok {
		key = fmt.Sprintf("%s %s %t", start, pool.options.CAFile, pool.options.InsecureSkipVerify)
	}
	return destination.Probe{Key: key, Run: func(ctx context.Context) (destination.ProbeResult, error) { return look(ctx, client, start) }}
}

// look sends a HEAD request. Any response counts as success.
func look(ctx context.Context, client *http.Client, start string) (destination.ProbeResult, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, start, http.NoBody)
	if err != nil {
		return destination.ProbeResult{}, destination.Misconfigured(Redact(err))
	}
	once := *client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := once.Do(req)
	if err != nil {
		return destination.ProbeResult{}, explain(err, req, nil)
	}
	_ = resp.Body.Close()
	if resp.StatusCode == http.StatusProxyAuthRequired {
		return destination.ProbeResult{}, Check(resp)
	}
	s := destination.ProbeResult{Address: req.URL.Host, Detail: strings.Join(way(resp), ", ")}
	if resp.StatusCode >= http.StatusInternalServerError {
		s.Warning = fmt.Sprintf("it answers %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
		s.Remedy = "ask whoever runs it, or the gateway in front of it"
	}
	if resp.TLS != nil && len(resp.TLS.PeerCertificates) > 0 {
		s.CertificateEnds = resp.TLS.PeerCertificates[0].NotAfter
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		s.Clock = date
	}
	return s, nil
}

// way describes the connection of a response.
func way(resp *http.Response) []string {
	out := []string{"answers"}
	switch {
	case resp.TLS == nil:
		out = append(out, "not encrypted")
	case len(resp.TLS.VerifiedChains) == 0:
		out = append(out, tls.VersionName(resp.TLS.Version), "certificate not verified, as configured")
	default:
		out = append(out, tls.VersionName(resp.TLS.Version))
	}
	if proxy, err := http.ProxyFromEnvironment(resp.Request); err == nil && proxy != nil {
		out = append(out, "through the proxy "+RedactURL(proxy.String()))
	}
	return out
}
