package load

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// Load is a number of datagrams of one size at a rate.
type Load struct {
	// Rate is in datagrams a second, Count how many there are in all.
	Rate  float64
	Count int
	// Size is the length of every datagram in bytes.
	Size int
	// Append appends the n-th datagram to b.
	Append func(b []byte, n int) []byte
	// Prepared makes all datagrams before the first is sent, so that sending costs only
	// system calls.
	Prepared bool
	// Sent, if set, is called just before the datagrams from..to-1 are sent.
	Sent func(from, to int, at time.Time)
}

// Report describes what a sender did.
type Report struct {
	Sent int
	// Refused is how many of them are known to have met a closed port. A receiver that
	// is down does not end the load.
	Refused int
	Took    time.Duration
	// Late is the largest delay of a datagram behind its time.
	Late time.Duration
}

// burstsPerSecond bounds the system calls of a fast load. Slower loads send every datagram
// on its own.
const burstsPerSecond = 5000

// Send sends the load until it is complete or ctx ends.
func (l Load) Send(ctx context.Context, to netip.AddrPort) (Report, error) {
	sender, err := NewSender(to, l.Size)
	if err != nil {
		return Report{}, err
	}
	defer sender.Close()
	per := min(MaxBurst(l.Size), max(1, int(l.Rate/burstsPerSecond)))
	next := l.bursts(per)
	report := Report{}
	began := time.Now()
	for report.Sent < l.Count && ctx.Err() == nil {
		burst := next(report.Sent)
		due := began.Add(time.Duration(float64(report.Sent) / l.Rate * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			pause(ctx, wait)
		}
		now := time.Now()
		report.Late = max(report.Late, now.Sub(due))
		until := report.Sent + len(burst)/l.Size
		if l.Sent != nil {
			l.Sent(report.Sent, until, now)
		}
		refused, err := sender.Send(burst)
		report.Refused += refused
		if err != nil {
			return report, fmt.Errorf("send datagram %d: %w", report.Sent, err)
		}
		report.Sent = until
	}
	report.Took = time.Since(began)
	return report, ctx.Err()
}

// bursts returns a function that returns the burst beginning with datagram from.
func (l Load) bursts(per int) func(from int) []byte {
	room := make([]byte, 0, per*l.Size)
	fill := func(from int) []byte {
		room = room[:0]
		for n := from; n < min(from+per, l.Count); n++ {
			room = l.Append(room, n)
		}
		return room
	}
	if !l.Prepared {
		return fill
	}
	all := make([]byte, 0, l.Count*l.Size)
	for n := range l.Count {
		all = l.Append(all, n)
	}
	return func(from int) []byte {
		return all[from*l.Size : min(from+per, l.Count)*l.Size]
	}
}

// pause waits for d or until ctx ends. Short pauses ignore ctx and sleep, since a timer
// would cost more.
func pause(ctx context.Context, d time.Duration) {
	if d < 10*time.Millisecond {
		time.Sleep(d)
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
