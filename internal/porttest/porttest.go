// Package porttest owns the ports of servers that tests start in other processes,
// or start again at the same place.
//
// It guarantees that a port is free when it is returned, that the system gives it
// to no connection, and, where the loopback network has more than one address,
// that no other test gets it before it is given back: while one has it, a socket
// on a second address keeps it. It must never listen at 127.0.0.1.
package porttest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"butler/internal/oserr"
)

const (
	// first and count are outside the range from which systems take the ports of
	// connections.
	first, count = 20_000, 12_000
	// attempts is how many ports are tried.
	attempts = 200
	// own is where the server will listen, other where its port is kept for it.
	own, other = "127.0.0.1", "127.0.0.2"
)

// Of returns a port of 127.0.0.1 that is the test's until it ends; network is tcp or udp.
func Of(t *testing.T, network string) int {
	t.Helper()
	port, release, err := Reserve(network)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return port
}

// Reserve returns a port of 127.0.0.1 that nobody else gets before release is called.
func Reserve(network string) (port int, release func(), err error) {
	for range attempts {
		port = first + rand.IntN(count)
		kept, err := open(network, other, port)
		if oserr.Is(err, syscall.EADDRINUSE) {
			continue // of another test
		}
		release = func() {
			if kept != nil {
				_ = kept.Close()
			}
		}
		free, err := open(network, own, port)
		if err == nil {
			return port, release, free.Close()
		}
		release()
	}
	return 0, nil, fmt.Errorf("found no free %s port in %d attempts", network, attempts)
}

func open(network, host string, port int) (io.Closer, error) {
	address := net.JoinHostPort(host, strconv.Itoa(port))
	if strings.HasPrefix(network, "udp") {
		return closer(net.ListenPacket("udp4", address))
	}
	return closer(net.Listen("tcp4", address))
}

// closer makes no interface of a socket that is none.
func closer[S io.Closer](socket S, err error) (io.Closer, error) {
	if err != nil {
		return nil, err
	}
	return socket, nil
}
