package udp

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// directory is a resolver with a fixed answer per name; a name without one fails.
type directory map[string][]netip.Addr

func (d directory) LookupNetIP(_ context.Context, network, host string) ([]netip.Addr, error) {
	addrs, ok := d[host]
	if !ok || network != "ip" {
		return nil, errors.New("no such host")
	}
	return addrs, nil
}

func addrs(texts ...string) []netip.Addr {
	var out []netip.Addr
	for _, text := range texts {
		out = append(out, netip.MustParseAddr(text))
	}
	return out
}

func resolved(t *testing.T, resolver Resolver, entries ...string) *Set {
	t.Helper()
	list, err := NewAllowList(entries, resolver)
	if err != nil {
		t.Fatal(err)
	}
	set, err := list.Resolve(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestAllowList_knowsAddressesNetworksAndNames(t *testing.T) {
	names := directory{
		"sense-01":  addrs("10.0.0.1", "2001:db8::1"),
		"localhost": addrs("127.0.0.1", "::1"),
	}
	for name, row := range map[string]struct {
		entry         string
		allow, refuse []netip.Addr
	}{
		"IPv4":                 {"192.168.1.100", addrs("192.168.1.100", "::ffff:192.168.1.100"), addrs("192.168.1.101", "::1")},
		"leading zeros":        {"010.000.000.007", addrs("10.0.0.7"), addrs("8.0.0.7")},
		"IPv6":                 {"2001:DB8::5", addrs("2001:db8::5"), addrs("2001:db8::6")},
		"IPv6 in brackets":     {"[2001:db8::5]", addrs("2001:db8::5"), nil},
		"IPv6 with a zone":     {"fe80::1", addrs("fe80::1%eth0"), nil},
		"mapped IPv4":          {"::ffff:10.0.0.9", addrs("10.0.0.9"), addrs("10.0.0.8")},
		"network":              {"10.20.0.0/16", addrs("10.20.255.1", "::ffff:10.20.0.1"), addrs("10.21.0.1", "2001:db8::1")},
		"network by a member":  {"10.20.3.4/16", addrs("10.20.255.1"), nil},
		"IPv6 network":         {"2001:db8::/32", addrs("2001:db8:1::1"), addrs("2001:db9::1", "10.0.0.1")},
		"mapped IPv4 network":  {"::ffff:10.20.0.0/112", addrs("10.20.1.1"), addrs("10.21.1.1")},
		"name, all addresses":  {"sense-01", addrs("10.0.0.1", "2001:db8::1"), addrs("10.0.0.2")},
		"localhost":            {"localhost", addrs("127.0.0.1", "::1"), addrs("127.0.0.2")},
		"spaces around it":     {" 10.0.0.1 ", addrs("10.0.0.1"), nil},
		"everybody, if wanted": {"0.0.0.0/0", addrs("1.2.3.4"), addrs("::1")},
	} {
		t.Run(name, func(t *testing.T) {
			set := resolved(t, names, row.entry)
			for _, addr := range row.allow {
				if !set.Contains(addr) {
					t.Errorf("%s refuses %s", row.entry, addr)
				}
			}
			for _, addr := range append(row.refuse, netip.Addr{}) {
				if set.Contains(addr) {
					t.Errorf("%s allows %s", row.entry, addr)
				}
			}
		})
	}
}

func TestNewAllowList_refusesWhatIsNoSource(t *testing.T) {
	for name, entries := range map[string][]string{
		"empty entry":            {""},
		"spaces":                 {"   "},
		"part out of range":      {"10.0.0.256"},
		"prefix out of range":    {"10.0.0.0/33"},
		"network without length": {"10.0.0.0/"},
		"a URL":                  {"http://sense-01"},
		"a name with a port":     {"sense-01:9998"},
		"a name with a space":    {"sense 01"},
		"one bad among good":     {"10.0.0.1", "10.0.0.1/xx"},
		"name too long":          {strings.Repeat("a", 254)},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := NewAllowList(entries, directory{}); err == nil {
				t.Errorf("%q was accepted", entries)
			} else if !strings.Contains(err.Error(), "allowed source") {
				t.Errorf("the error does not name the entry: %v", err)
			}
		})
	}
}

func TestAllowList_failsClosed(t *testing.T) {
	if _, err := NewAllowList(nil, directory{}); !errors.Is(err, ErrNoSources) {
		t.Errorf("an empty list gives %v, want ErrNoSources", err)
	}
	list, err := NewAllowList([]string{"gone-1", "gone-2"}, directory{})
	if err != nil {
		t.Fatal(err)
	}
	set, err := list.Resolve(t.Context(), nil)
	if set != nil || !errors.Is(err, ErrNoSources) {
		t.Errorf("got %v, %v, want nothing and ErrNoSources", set, err)
	}
	if !strings.Contains(err.Error(), "gone-1") || !strings.Contains(err.Error(), "gone-2") {
		t.Errorf("the error does not name the hosts: %v", err)
	}
}

func TestAllowList_treatsANameWithoutAddressAsUnresolved(t *testing.T) {
	set := resolved(t, directory{"empty": nil}, "empty", "10.0.0.1")
	if len(set.Unresolved) != 1 || set.Len() != 1 {
		t.Errorf("got %d unresolved, %d addresses, want 1 and 1", len(set.Unresolved), set.Len())
	}
}

func TestAllowList_keepsTheRestWhenOneNameFails(t *testing.T) {
	set := resolved(t, directory{"sense-01": addrs("10.0.0.1")}, "sense-01", "gone", "10.9.9.9")
	if !set.Contains(netip.MustParseAddr("10.0.0.1")) || !set.Contains(netip.MustParseAddr("10.9.9.9")) {
		t.Error("resolved entries are not in force")
	}
	if len(set.Unresolved) != 1 || !strings.Contains(set.Unresolved[0].Error(), "gone") {
		t.Errorf("unresolved: %v, want gone", set.Unresolved)
	}
}

func TestAllowList_followsANameThatMoves(t *testing.T) {
	names := directory{"sense-01": addrs("10.0.0.1"), "sense-02": addrs("10.0.0.2")}
	list, err := NewAllowList([]string{"sense-01", "sense-02"}, names)
	if err != nil {
		t.Fatal(err)
	}
	first, err := list.Resolve(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	names["sense-01"] = addrs("10.0.0.77")
	delete(names, "sense-02")
	second, err := list.Resolve(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string][2]bool{
		"10.0.0.1":  {true, false},
		"10.0.0.77": {false, true},
		"10.0.0.2":  {true, true}, // cannot be looked up now: what was true stays
	} {
		a := netip.MustParseAddr(addr)
		if got := [2]bool{first.Contains(a), second.Contains(a)}; got != want {
			t.Errorf("%s is allowed %v before and after, want %v", addr, got, want)
		}
	}
	if third, err := list.Resolve(t.Context(), second); err != nil || !third.Contains(netip.MustParseAddr("10.0.0.2")) {
		t.Errorf("the name is forgotten the second time: %v", err)
	}
}
