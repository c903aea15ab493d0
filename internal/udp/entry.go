package udp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"butler/messages"
)

// ErrEntry is wrapped by the errors for journal entries that cannot be decoded.
var ErrEntry = errors.New("unreadable datagram entry")

// entryVersion is the first byte of an entry. A layout never changes; it gets a new number.
//
//	version 1 | received, ns since 1970, 8 bytes | address length n, 1 byte | address, n bytes | port, 2 bytes | payload
//
// Numbers are big-endian. The address is 0, 4 or 16 bytes, the latter followed by the zone.
const entryVersion = 1

// entryOverhead is the size of an entry without address and payload.
const entryOverhead = 1 + 8 + 1 + 2

// maxAddress is the size of an address without a zone.
const maxAddress = 16

// EncodeEntry returns the journal entry of a datagram, with the raw payload, so that a
// later parser can read it again.
func EncodeEntry(d messages.Datagram) []byte {
	if d.Entry != nil {
		return d.Entry
	}
	return AppendEntry(make([]byte, 0, EntrySize(len(d.Payload))), d)
}

// EntrySize returns an upper bound of the size of an entry whose source has no zone.
func EntrySize(payload int) int { return entryOverhead + maxAddress + payload }

// AppendEntry appends the entry of d to dst.
func AppendEntry(dst []byte, d messages.Datagram) []byte {
	addr := d.Source.Addr()
	if len(addr.Zone()) > math.MaxUint8-maxAddress {
		addr = addr.WithZone("")
	}
	dst = append(dst, entryVersion)
	dst = binary.BigEndian.AppendUint64(dst, uint64(d.At.UnixNano()))
	lengthAt := len(dst)
	dst = append(dst, 0)
	dst, _ = addr.AppendBinary(dst) // never fails
	dst[lengthAt] = byte(len(dst) - lengthAt - 1)
	dst = binary.BigEndian.AppendUint16(dst, d.Source.Port())
	return append(dst, d.Payload...)
}

// DecodeEntry reads an entry back. Its payload is a part of entry. An error wraps ErrEntry.
func DecodeEntry(entry []byte) (messages.Datagram, error) {
	if len(entry) < entryOverhead {
		return messages.Datagram{}, fmt.Errorf("%w: %d bytes", ErrEntry, len(entry))
	}
	if entry[0] != entryVersion {
		return messages.Datagram{}, fmt.Errorf("%w: version %d", ErrEntry, entry[0])
	}
	received := time.Unix(0, int64(binary.BigEndian.Uint64(entry[1:])))
	rest := entry[10:]
	length := int(entry[9])
	if len(rest) < length+2 {
		return messages.Datagram{}, fmt.Errorf("%w: cut in the source address", ErrEntry)
	}
	var addr netip.Addr
	if err := addr.UnmarshalBinary(rest[:length]); err != nil {
		return messages.Datagram{}, fmt.Errorf("%w: %w", ErrEntry, err)
	}
	payload := rest[length+2:]
	return messages.Datagram{
		Payload: payload,
		Size:    len(payload),
		Source:  netip.AddrPortFrom(addr, binary.BigEndian.Uint16(rest[length:])),
		At:      received.UTC(),
	}, nil
}

// Sender formats the addresses of senders. It remembers the last one, since consecutive
// datagrams mostly have the same sender. Its zero value is ready for use, by one
// goroutine at a time.
type Sender struct {
	addr netip.Addr
	text string
}

// Name returns the name of a sender.
func (s *Sender) Name(addr netip.Addr) string {
	if s.text == "" || s.addr != addr {
		s.addr, s.text = addr, addr.String()
	}
	return s.text
}

// ParseEntry is Parse of an EntryParser for a single entry.
func ParseEntry(entry []byte) (messages.TaskEvent, error) { return new(EntryParser).Parse(entry) }

// EntryParser reads events out of journalled datagrams. Its zero value is ready
// for use, by one goroutine at a time.
type EntryParser struct {
	sender  Sender
	checker Checker
}

// Parse reads the event of a journalled datagram, with Source and At set.
// Recovery of semicolons is always on: it does not change what was accepted without it,
// and what was accepted with it must not depend on the present configuration.
// An error wraps ErrEntry or is a *Rejection.
func (p *EntryParser) Parse(entry []byte) (messages.TaskEvent, error) {
	datagram, err := DecodeEntry(entry)
	if err != nil {
		return messages.TaskEvent{}, err
	}
	event, rejection := p.checker.parse(datagram.Payload, ParseOptions{RecoverSemicolons: true})
	if rejection != nil {
		return messages.TaskEvent{}, rejection
	}
	event.Source, event.At = p.sender.Name(datagram.Source.Addr()), datagram.At
	return event, nil
}
