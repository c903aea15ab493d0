package web

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// IsOwnName reports whether a Host header is an IP address, localhost, the host of
// the address that the server listens on, or one of more.
func IsOwnName(host, address string, more ...string) bool {
	name := strings.ToLower(hostOf(host))
	_, err := netip.ParseAddr(name)
	return err == nil || name == "localhost" || name != "" && name == strings.ToLower(hostOf(address)) ||
		slices.ContainsFunc(more, func(other string) bool { return name != "" && strings.EqualFold(name, other) })
}

// OnLoopback reports whether a server is reached from its own machine only.
func OnLoopback(listener net.Listener) bool {
	at, err := netip.ParseAddrPort(listener.Addr().String())
	return err == nil && at.Addr().IsLoopback()
}

// hostOf returns the host of "host", "host:port" and "[host]:port".
func hostOf(hostPort string) string {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = hostPort
	}
	return strings.Trim(host, "[]")
}
