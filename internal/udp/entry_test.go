package udp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"butler/messages"
)

var received = time.Date(2026, 5, 6, 14, 23, 45, 123456789, time.UTC)

func datagram(source, payload string) messages.Datagram {
	return messages.Datagram{
		Payload: []byte(payload), Size: len(payload), Source: netip.MustParseAddrPort(source), At: received,
	}
}

var compareAddr = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })

// TestEntry_layoutNeverChanges: what is on somebody's disk must be readable for ever.
func TestEntry_layoutNeverChanges(t *testing.T) {
	for name, row := range map[string]struct {
		datagram messages.Datagram
		entry    string
	}{
		"version 1, IPv4": {datagram("10.11.12.13:4096", "a;b"), "01" + "18acffff5b9ff715" + "04" + "0a0b0c0d" + "1000" + "613b62"},
		"version 1, IPv6": {datagram("[2001:db8::1]:53", ""), "01" + "18acffff5b9ff715" + "10" + "20010db8000000000000000000000001" + "0035"},
		"version 1, zone": {datagram("[fe80::1%eth0]:53", "x"), "01" + "18acffff5b9ff715" + "14" + "fe800000000000000000000000000001" + "65746830" + "0035" + "78"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := hex.EncodeToString(EncodeEntry(row.datagram)); got != row.entry {
				t.Errorf("written as %s, want %s", got, row.entry)
			}
			entry, err := hex.DecodeString(row.entry)
			if err != nil {
				t.Fatal(err)
			}
			got, err := DecodeEntry(entry)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.datagram, got, compareAddr); diff != "" {
				t.Errorf("read back (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEntry_readsBackWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		addr := rapid.OneOf(
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 4, 4), func(b []byte) netip.Addr { return netip.AddrFrom4([4]byte(b)) }),
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 16, 16), func(b []byte) netip.Addr { return netip.AddrFrom16([16]byte(b)) }),
			rapid.Just(netip.Addr{}),
		).Draw(t, "addr")
		payload := rapid.SliceOf(rapid.Byte()).Draw(t, "payload")
		want := messages.Datagram{
			Payload: payload, Size: len(payload), At: received,
			Source: netip.AddrPortFrom(addr, rapid.Uint16().Draw(t, "port")),
		}
		entry := EncodeEntry(want)
		if len(entry) > EntrySize(len(want.Payload)) {
			t.Fatalf("entry has %d bytes, announced were %d", len(entry), EntrySize(len(want.Payload)))
		}
		got, err := DecodeEntry(entry)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Payload, want.Payload) || got.Source != want.Source || !got.At.Equal(want.At) || got.Size != want.Size {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

func TestDecodeEntry_refusesWhatItCannotRead(t *testing.T) {
	good := EncodeEntry(datagram("10.11.12.13:4096", "a;b"))
	change := func(at int, value byte) []byte {
		entry := bytes.Clone(good)
		entry[at] = value
		return entry
	}
	for name, entry := range map[string][]byte{
		"nothing":                nil,
		"cut before the address": good[:11],
		"cut in the address":     good[:12],
		"version of the future":  change(0, 2),
		"version 0":              change(0, 0),
		"address of five bytes":  change(9, 5),
		"address beyond the end": change(9, 200),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := DecodeEntry(entry); !errors.Is(err, ErrEntry) {
				t.Errorf("got %+v, %v, want ErrEntry", got, err)
			}
		})
	}
}

func TestEncodeEntry_bearsAnEndlessZone(t *testing.T) {
	d := datagram("[fe80::1]:53", "x")
	d.Source = netip.AddrPortFrom(d.Source.Addr().WithZone(strings.Repeat("z", 300)), 53)
	got, err := DecodeEntry(EncodeEntry(d))
	if err != nil || got.Source.Addr() != netip.MustParseAddr("fe80::1") {
		t.Errorf("got %v, %v", got.Source, err)
	}
}

func TestParseEntry_givesTheEventWithSourceAndTime(t *testing.T) {
	payload := scheduler("/scheduler-task-failed/", map[int]string{3: "a;b"})
	got, err := ParseEntry(EncodeEntry(datagram("10.11.12.13:4096", string(payload))))
	if err != nil {
		t.Fatal(err)
	}
	if got.Source != "10.11.12.13" || !got.At.Equal(received) || got.TaskName != "a;b" {
		t.Errorf("got %+v", got)
	}
	_, err = ParseEntry(EncodeEntry(datagram("10.11.12.13:4096", "nonsense")))
	if rejection, ok := errors.AsType[*Rejection](err); !ok || rejection.Reason != ReasonUnknownType {
		t.Errorf("nonsense gives %v, want a Rejection", err)
	}
	if _, err := ParseEntry([]byte{9}); !errors.Is(err, ErrEntry) {
		t.Errorf("a broken entry gives %v, want ErrEntry", err)
	}
}
