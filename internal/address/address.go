// Package address owns how the addresses of servers are written and called. It
// guarantees that a host may be a name, an IPv4 address or an IPv6 address, with
// brackets or without. It must never look anything up.
package address

import (
	"net"
	"strconv"
	"strings"
)

// Listen returns where a server listens; without a host it is every address of the machine.
func Listen(host string, port int) string {
	if host == "" {
		return ":" + strconv.Itoa(port)
	}
	return Join(host, port)
}

// Join returns the address of a port of a host.
func Join(host string, port int) string {
	return net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port))
}

// Reachable returns the host at which this machine reaches a server that listens
// on host: an address that stands for all of the machine's is none to call.
func Reachable(host string) string {
	host = strings.Trim(host, "[]")
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return "localhost"
	}
	return host
}
