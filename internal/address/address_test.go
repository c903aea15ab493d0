package address_test

import (
	"testing"

	"butler/internal/address"
)

func TestAddresses_areOfNamesAndOfBothFamilies(t *testing.T) {
	for host, want := range map[string]struct{ listen, join, reachable string }{
		"":            {":80", ":80", "localhost"},
		"sense-1":     {"sense-1:80", "sense-1:80", "sense-1"},
		"10.0.0.5":    {"10.0.0.5:80", "10.0.0.5:80", "10.0.0.5"},
		"0.0.0.0":     {"0.0.0.0:80", "0.0.0.0:80", "localhost"},
		"::":          {"[::]:80", "[::]:80", "localhost"},
		"[fd00::1]":   {"[fd00::1]:80", "[fd00::1]:80", "fd00::1"},
		"2001:db8::7": {"[2001:db8::7]:80", "[2001:db8::7]:80", "2001:db8::7"},
	} {
		if got := address.Listen(host, 80); got != want.listen {
			t.Errorf("listen on %q: want %s, got %s", host, want.listen, got)
		}
		if got := address.Join(host, 80); got != want.join {
			t.Errorf("join %q: want %s, got %s", host, want.join, got)
		}
		if got := address.Reachable(host); got != want.reachable {
			t.Errorf("reach %q: want %s, got %s", host, want.reachable, got)
		}
	}
}
