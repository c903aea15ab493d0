package httpc

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
)

// proxyError is the refusal of a proxy to lead to a host.
type proxyError struct{ status int }

func (e *proxyError) Error() string {
	return fmt.Sprintf("the proxy answered %d %s", e.status, http.StatusText(e.status))
}

// misconfigured reports whether trying again is of no use before the operator mends something.
func (e *proxyError) misconfigured() bool {
	return e.status == http.StatusProxyAuthRequired || e.status == http.StatusUnauthorized || e.status == http.StatusForbidden
}

// checkProxy keeps what a proxy says to the request for a tunnel.
func checkProxy(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyError{status: resp.StatusCode}
}

// notReached names who did not do its part: the host, or the proxy on the way to it.
func notReached(err error, host string) string {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
		return "the proxy on the way to " + host
	}
	return host
}

// proxySecrets returns the credentials that a request shows to a proxy.
func proxySecrets(req *http.Request) []string {
	proxy, err := http.ProxyFromEnvironment(req)
	if err != nil || proxy == nil || proxy.User == nil {
		return nil
	}
	password, _ := proxy.User.Password()
	plain := proxy.User.Username() + ":" + password
	return []string{password, plain, base64.StdEncoding.EncodeToString([]byte(plain))}
}
