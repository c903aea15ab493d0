package porttest_test

import (
	"net"
	"strconv"
	"testing"

	"butler/internal/porttest"
)

func TestOf_givesNoPortTwice(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		seen := map[int]bool{}
		for range 300 { // of 12,000: two of them would be the same without care
			port := porttest.Of(t, network)
			if seen[port] {
				t.Errorf("%s port %d is given to two", network, port)
			}
			seen[port] = true
		}
	}
}

func TestReserve_leavesThePortToItsServer(t *testing.T) {
	port, release, err := porttest.Reserve("tcp")
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	for range 2 { // a server that is started again
		server, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		_ = server.Close()
	}
}
