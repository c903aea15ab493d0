package udp

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/journal/journaltest"
	"butler/messages"
)

func TestEntry_readsEveryVersion(t *testing.T) {
	const payload = "/scheduler-reload-failed/;sense-1;Sales \xff;\x00"
	at := time.Date(2026, 5, 6, 12, 0, 0, 123_456_000, time.UTC)
	for name, source := range map[string]string{
		"entry_ipv4": "10.0.0.5:51234", "entry_ipv6": "[2001:db8::7]:51234", "entry_ipv6_zone": "[fe80::1%eth0]:1",
	} {
		journaltest.Record[messages.Datagram]{
			Name: name, Version: entryVersion, Write: EncodeEntry, Read: DecodeEntry,
			Want: messages.Datagram{Payload: []byte(payload), Size: len(payload), Source: netip.MustParseAddrPort(source), At: at},
		}.Test(t, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }))
	}
}
