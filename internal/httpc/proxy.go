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

// proxyError is the refusal of a proxy to connect to a host.
type proxyError struct{ status int }

func (e *proxyError) Error() string {
	return fmt.Sprintf("the proxy answered %d %s", e.status, http.StatusText(e.status))
}

// misconfigured reports whether a retry is useless until the operator corrects something.
func (e *proxyError) misconfigured() bool {
	return e.status == http.StatusProxyAuthRequired || e.status == http.StatusUnauthorized || e.status == http.StatusForbidden
}

// checkProxy returns the status of a refused CONNECT request as an error.
func checkProxy(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return &proxyError{status: resp.StatusCode}
}

// notReached names what could not be reached: the host, or the proxy on the way to it.
func notReached(err error, host string) string {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "proxyconnect" {
		return "the proxy on the way to " + host
	}
	return host
}

// proxySecrets returns the proxy credentials of a request.
func proxySecrets(req *http.Request) []string {
	proxy, err := http.ProxyFromEnvironment(req)
	if err != nil || proxy == nil || proxy.User == nil {
		return nil
	}
	password, _ := proxy.User.Password()
	plain := proxy.User.Username() + ":" + password
	return []string{password, plain, base64.StdEncoding.EncodeToString([]byte(plain))}
}
