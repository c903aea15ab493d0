package udp

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"butler/messages"
)

// atReads hands out one batch after the other, as if each was read at a moment of the clock.
func atReads(count int, moments ...time.Time) []messages.Datagram {
	var b batch
	var out []messages.Datagram
	for _, b.at = range moments {
		b.count = count
		out = append(out, b.copy(LargestPayload)...)
	}
	return out
}

func TestBatch_givesEveryDatagramATimeOfItsOwn(t *testing.T) {
	at := time.Date(2026, 5, 6, 12, 0, 0, 123_456_789, time.UTC)
	for name, moments := range map[string][]time.Time{
		"one read":                           {at},
		"reads a moment apart":               {at, at.Add(5 * time.Microsecond), at.Add(time.Millisecond)},
		"a clock that stands still":          {at, at, at},
		"a clock that is put right a little": {at, at.Add(-400 * time.Millisecond), at.Add(-399 * time.Millisecond)},
	} {
		t.Run(name, func(t *testing.T) {
			got := atReads(BatchSize, moments...)
			for i := 1; i < len(got); i++ {
				if apart := got[i].At.Sub(got[i-1].At); apart < time.Microsecond {
					t.Fatalf("datagram %d is %v after the one before, want a microsecond or more", i, apart)
				}
			}
		})
	}
}

func TestBatch_timesAreNotLaterThanTheRead(t *testing.T) {
	at := time.Date(2026, 5, 6, 12, 0, 0, 123_456_789, time.UTC)
	for _, d := range atReads(BatchSize, at) {
		if early := at.Sub(d.At); early < 0 || early > BatchSize*time.Microsecond {
			t.Errorf("got %v for what was read at %v", d.At, at)
		}
	}
}

func TestBatch_followsAClockThatIsSetBack(t *testing.T) {
	at := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	got := atReads(1, at, at.Add(-time.Hour))
	if want := at.Add(-time.Hour); !got[1].At.Equal(want) {
		t.Errorf("got %v after the clock was set back, want %v", got[1].At, want)
	}
}

func TestBatch_handsOutEveryDatagramWithItsEntry(t *testing.T) {
	b := batch{at: time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)}
	for _, payload := range []string{"first", ""} {
		b.add([]byte(payload), len(payload), netip.MustParseAddrPort("10.1.2.3:4000"))
	}
	for i, d := range b.copy(3) { // "first" is cut
		made := EncodeEntry(d)
		want := EncodeEntry(messages.Datagram{Payload: d.Payload, Size: d.Size, Source: d.Source, At: d.At})
		if !bytes.Equal(made, want) || string(d.Payload) != [...]string{"fir", ""}[i] {
			t.Errorf("entry of %q is %x, want %x", d.Payload, made, want)
		}
	}
}
