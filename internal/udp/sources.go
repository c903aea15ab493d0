package udp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ErrNoSources is returned when source validation is on and no sender is allowed.
// Nothing would be accepted then, so it is an error.
var ErrNoSources = errors.New("no allowed UDP source")

// Resolver looks host names up; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// AllowList is the configured list of senders: addresses, networks in CIDR form
// and host names. It is immutable; Resolve turns it into a Set.
type AllowList struct {
	resolver Resolver
	addrs    []netip.Addr
	nets     []netip.Prefix
	hosts    []string
}

// NewAllowList parses the entries of the configuration. It fails on an empty list, with
// ErrNoSources, and on an entry that has none of the three forms.
func NewAllowList(entries []string, resolver Resolver) (*AllowList, error) {
	list := &AllowList{resolver: resolver}
	for _, entry := range entries {
		if err := list.add(strings.TrimSpace(entry)); err != nil {
			return nil, fmt.Errorf("allowed source %q: %w", entry, err)
		}
	}
	if len(list.addrs)+len(list.nets)+len(list.hosts) == 0 {
		return nil, fmt.Errorf("%w: the list is empty", ErrNoSources)
	}
	return list, nil
}

func (l *AllowList) add(entry string) error {
	if strings.Contains(entry, "/") {
		network, err := netip.ParsePrefix(entry)
		if err != nil {
			return err
		}
		l.nets = append(l.nets, unmapPrefix(network.Masked()))
		return nil
	}
	if isDotted(entry) {
		addr, err := parseDotted(entry)
		l.addrs = append(l.addrs, addr)
		return err
	}
	if addr, err := netip.ParseAddr(strings.Trim(entry, "[]")); err == nil {
		l.addrs = append(l.addrs, canonical(addr))
		return nil
	}
	if !isHostName(entry) {
		return errors.New("neither an address, a network nor a host name")
	}
	l.hosts = append(l.hosts, entry)
	return nil
}

// Resolve resolves all host names concurrently and returns who may send now. A name
// that cannot be resolved keeps the addresses that it has in last, which may be nil, and
// is listed in Set.Unresolved. If there is no address or network at all, Resolve returns
// an error that wraps ErrNoSources.
func (l *AllowList) Resolve(ctx context.Context, last *Set) (*Set, error) {
	set := &Set{
		addrs:  make(map[netip.Addr]struct{}),
		nets:   l.nets,
		byHost: make(map[string][]netip.Addr, len(l.hosts)),
	}
	for _, addr := range l.addrs {
		set.addrs[addr] = struct{}{}
	}
	for i, found := range l.lookUp(ctx) {
		host := l.hosts[i]
		if found.err != nil {
			set.Unresolved = append(set.Unresolved, fmt.Errorf("resolve allowed source %s: %w", host, found.err))
			found.addrs = last.of(host)
		}
		set.byHost[host] = found.addrs
		for _, addr := range found.addrs {
			set.addrs[canonical(addr)] = struct{}{}
		}
	}
	if set.Len() == 0 {
		return nil, fmt.Errorf("%w: %w", ErrNoSources, errors.Join(set.Unresolved...))
	}
	return set, nil
}

type lookup struct {
	addrs []netip.Addr
	err   error
}

func (l *AllowList) lookUp(ctx context.Context) []lookup {
	found := make([]lookup, len(l.hosts))
	var all sync.WaitGroup
	for i, host := range l.hosts {
		all.Go(func() {
			addrs, err := l.resolver.LookupNetIP(ctx, "ip", host)
			if err == nil && len(addrs) == 0 {
				err = errors.New("the name has no address")
			}
			found[i] = lookup{addrs, err}
		})
	}
	all.Wait()
	return found
}

// Set is who may send at present. It is immutable.
type Set struct {
	// Unresolved has an error for each host name that could not be resolved. Frozen.
	Unresolved []error

	addrs  map[netip.Addr]struct{}
	nets   []netip.Prefix
	byHost map[string][]netip.Addr
}

// Contains reports whether addr may send. An IPv4-mapped IPv6 address is treated as the
// IPv4 address, and zones are ignored.
func (s *Set) Contains(addr netip.Addr) bool {
	addr = canonical(addr)
	if _, ok := s.addrs[addr]; ok {
		return true
	}
	return slices.ContainsFunc(s.nets, func(n netip.Prefix) bool { return n.Contains(addr) })
}

// Len returns the number of addresses and networks.
func (s *Set) Len() int { return len(s.addrs) + len(s.nets) }

// Complete reports whether every host name could be resolved. A nil set is complete.
func (s *Set) Complete() bool { return s == nil || len(s.Unresolved) == 0 }

// After returns s as Resolve would have returned it with last: unresolved names have the
// addresses that they have in last. Either may be nil.
func (s *Set) After(last *Set) *Set {
	if s.Complete() {
		return s
	}
	out := *s
	out.addrs, out.byHost = maps.Clone(s.addrs), maps.Clone(s.byHost)
	for host, found := range s.byHost {
		if len(found) > 0 {
			continue
		}
		out.byHost[host] = last.of(host)
		for _, addr := range out.byHost[host] {
			out.addrs[canonical(addr)] = struct{}{}
		}
	}
	return &out
}

func (s *Set) of(host string) []netip.Addr {
	if s == nil {
		return nil
	}
	return s.byHost[host]
}

func canonical(addr netip.Addr) netip.Addr { return addr.Unmap().WithZone("") }

func unmapPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// isDotted reports whether text consists of four runs of digits, and so can only be meant as an IPv4 address.
func isDotted(text string) bool {
	parts := strings.Split(text, ".")
	return len(parts) == 4 && !slices.ContainsFunc(parts, func(part string) bool {
		return part == "" || strings.Trim(part, "0123456789") != ""
	})
}

// parseDotted reads an IPv4 address whose parts may have leading zeros; they are decimal all the same.
func parseDotted(text string) (netip.Addr, error) {
	var addr [4]byte
	for i, part := range strings.Split(text, ".") {
		value, err := strconv.ParseUint(part, 10, 8)
		if err != nil {
			return netip.Addr{}, errors.New("not an IPv4 address")
		}
		addr[i] = byte(value)
	}
	return netip.AddrFrom4(addr), nil
}

// isHostName reports whether text can be a host name at all; the resolver has the last word.
func isHostName(text string) bool {
	if text == "" || len(text) > 253 || strings.HasPrefix(text, "-") {
		return false
	}
	for _, c := range text {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c > 0x7f:
		default:
			return false
		}
	}
	return true
}
