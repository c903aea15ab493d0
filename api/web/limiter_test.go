package web

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
)

func TestLimiter_countsEveryClientForItself(t *testing.T) {
	now := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	l := NewLimiter(2, func() time.Time { return now })
	for step, row := range []struct {
		client string
		after  time.Duration
		want   bool
	}{
		{"10.0.0.1", 0, true},
		{"10.0.0.1", 0, true},
		{"10.0.0.1", 0, false},
		{"10.0.0.2", 0, true},
		{"10.0.0.1", 59 * time.Second, false},
		{"10.0.0.1", time.Second, true},
		{"2001:db8::1", 0, true},
		{"2001:db8::2", 0, true},
		{"2001:db8::3", 0, false}, // of the same network
		{"2001:db8:0:1::1", 0, true},
	} {
		now = now.Add(row.after)
		if got := admits(l, row.client, false); got != row.want {
			t.Errorf("step %d: admitted %t, want %t", step, got, row.want)
		}
	}
}

func TestLimiter_aFloodFromManyAddressesKeepsNobodyOutWhoIsKnown(t *testing.T) {
	l := NewLimiter(1, time.Now)
	address := netip.MustParseAddr("10.0.0.0")
	for range maxClients {
		address = address.Next()
		admits(l, address.String(), false)
	}
	for _, row := range []struct {
		client string
		known  bool
		want   bool
	}{
		{"192.0.2.1", false, true}, // the first of the others
		{"192.0.2.2", false, false},
		{"192.0.2.3", true, true},
		{"10.0.0.1", true, false}, // counted for itself
	} {
		if got := admits(l, row.client, row.known); got != row.want {
			t.Errorf("%s: admitted %t, want %t", row.client, got, row.want)
		}
	}
}

// admits reports whether a call from an address is admitted.
func admits(l *Limiter, address string, known bool) bool {
	remote := &net.TCPAddr{IP: net.ParseIP(address), Port: 40000}
	return l.Admit(remote, func() bool { return known }, &fasthttp.ResponseHeader{}) == nil
}
