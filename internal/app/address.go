package app

import (
	"net"
	"strconv"
	"strings"
)

// Addresses as they are written and as they are called.

func hostPort(host string, port int) string {
	if host == "" {
		return ":" + strconv.Itoa(port)
	}
	return netJoin(host, port)
}

func netJoin(host string, port int) string {
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
