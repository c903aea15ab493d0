package quarantine

import (
	"fmt"
	"testing"
	"time"

	"butler/internal/journal/journaltest"
	"butler/messages"
)

func TestQuarantine_readsEveryVersion(t *testing.T) {
	journaltest.Record[messages.QuarantinedDatagram]{
		Name: "quarantined", Version: 1, Want: messages.QuarantinedDatagram{
			ID: 1, Reason: "fields", Detail: "it has 3 fields", Source: "[2001:db8::7]:51234",
			At: time.Date(2026, 5, 6, 12, 0, 0, 123_456_000, time.UTC), Size: 70_000, Payload: `/scheduler-reload-failed/;\xff\x00«`, Cut: true,
		},
		Write: func(d messages.QuarantinedDatagram) []byte {
			c := newCabinet()
			open(t, c).Keep(d)
			return c.values[keyOf(1)]
		},
		Read: func(raw []byte) (messages.QuarantinedDatagram, error) {
			c := newCabinet()
			c.values[keyOf(1)] = raw
			found := list(t, open(t, c), 10)
			if len(found) != 1 {
				return messages.QuarantinedDatagram{}, fmt.Errorf("%d entries are read", len(found))
			}
			return found[0], nil
		},
	}.Test(t)
}
