package bench

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"time"
)

// Figure is one measured number.
type Figure struct {
	// Name is stable: baselines are compared by it.
	Name string `json:"name"`
	// Value is in Unit. A ratio has the unit "x" and says what of in Name.
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// receiver is anything that a flood can be sent to and counted at.
type receiver interface {
	Addr() netip.AddrPort
	Count() int
	Close() error
}

// The rates between which the highest one is looked for, and how long one trial is.
const (
	fromRate  = 20_000
	limitRate = 2_000_000
	trialTime = time.Second
	quiet     = 300 * time.Millisecond
)

// capacity returns the highest rate at which r loses nothing.
func capacity(r receiver, from int) (int, error) {
	sent := 0
	return HighestRate(from, limitRate, func(rate int) (int, error) {
		flood := Flood{Rate: rate, Count: int(float64(rate) * trialTime.Seconds()), First: sent}
		before := r.Count()
		if _, err := flood.Send(r.Addr(), flood.Bursts()); err != nil {
			return 0, err
		}
		sent += flood.Count
		return flood.Count - (settle(before+flood.Count, quiet, r.Count) - before), nil
	})
}

// Ingest compares the way to the durable journal with a bare receiver.
func Ingest(log io.Writer) ([]Figure, error) {
	bare, err := NewBare()
	if err != nil {
		return nil, err
	}
	defer bare.Close()
	bareRate, err := capacity(bare, fromRate)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(log, "bare receiver: %d datagrams/s without loss\n", bareRate)
	intake, err := NewIntake()
	if err != nil {
		return nil, err
	}
	defer intake.Close()
	rate, err := capacity(intake, fromRate)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(log, "ingest to durable journal: %d events/s without loss\n", rate)
	mallocs, err := allocations(intake)
	if err != nil {
		return nil, err
	}
	return []Figure{
		{"bare receiver, no loss", float64(bareRate), "datagrams/s"},
		{"ingest to durable journal, no loss", float64(rate), "events/s"},
		{"ingest to durable journal / bare receiver", float64(rate) / float64(bareRate), "x"},
		{"allocations from socket to durable journal", mallocs, "objects/event"},
	}, nil
}

// allocations counts what the whole process allocates for an event at a moderate rate.
func allocations(r receiver) (float64, error) {
	flood := Flood{Rate: 50_000, Count: 100_000, First: 1 << 28}
	bursts := flood.Bursts()
	before, mallocs := r.Count(), Mallocs()
	if _, err := flood.Send(r.Addr(), bursts); err != nil {
		return 0, err
	}
	got := settle(before+flood.Count, quiet, r.Count) - before
	return float64(Mallocs()-mallocs) / float64(max(got, 1)), nil
}

// Decisions measures the way from the socket to a decision in the outbox: the
// destination refuses every connection, so nothing but decisions happens.
func Decisions(log io.Writer, bareRate float64) ([]Figure, error) {
	var rates []float64
	lost := 0
	for range decisionRuns {
		rate, missing, err := decisions(log)
		if err != nil {
			return nil, err
		}
		rates, lost = append(rates, rate), lost+missing
	}
	slices.Sort(rates)
	rate := rates[len(rates)/2]
	return []Figure{
		{"ingest to decision in the outbox, metadata cached", rate, "events/s"},
		{"ingest to decision / bare receiver", rate / bareRate, "x"},
		{"decisions lost", float64(lost), "events"},
	}, nil
}

// decisionRuns is how often that is measured; the median counts, because one
// run takes no longer than a neighbour on the machine may need it for.
const decisionRuns = 5

func decisions(log io.Writer) (rate float64, lost int, err error) {
	service, err := NewService(ServiceOptions{Deaf: true})
	if err != nil {
		return 0, 0, err
	}
	defer service.Close()
	flood := Flood{Rate: 5_000, Count: 500, Tasks: service.Tasks(50)}
	if _, err := flood.Send(service.Addr(), flood.Bursts()); err != nil { // fills the caches
		return 0, 0, err
	}
	settle(flood.Count, 2*time.Second, service.Waiting)
	const count = 60_000
	flood = Flood{Rate: limitRate, Count: count, First: 1 << 20, Tasks: flood.Tasks}
	bursts := flood.Bursts()
	before, began := service.Waiting(), time.Now()
	flood.Rate = 100_000 // the intake journals faster than events are decided: the rest waits on disk
	if _, err := flood.Send(service.Addr(), bursts); err != nil {
		return 0, 0, err
	}
	got := settle(before+count, time.Second, service.Waiting) - before
	rate = float64(got) / (time.Since(began) - time.Second*time.Duration(boolInt(got < count))).Seconds()
	fmt.Fprintf(log, "ingest to decision in the outbox: %d of %d at %.0f events/s\n", got, count, rate)
	return rate, count - got, nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Alerts measures failed reloads until their webhook is called.
func Alerts(log io.Writer, name string, latency time.Duration, rate, count int) ([]Figure, error) {
	service, err := NewService(ServiceOptions{Latency: latency})
	if err != nil {
		return nil, err
	}
	defer service.Close()
	flood := Flood{Rate: rate, Count: count, Tasks: service.Tasks(50)}
	sent, err := sendOneByOne(service, flood)
	if err != nil {
		return nil, err
	}
	got := settle(count, 3*time.Second, service.Count)
	var took []time.Duration
	for n, at := range sent {
		if received, ok := service.Received(flood.ExecutionID(n)); ok {
			took = append(took, received.Sub(at))
		}
	}
	slices.Sort(took)
	figures := []Figure{
		{name + ", p50", milliseconds(quantile(took, 0.50)), "ms"},
		{name + ", p99", milliseconds(quantile(took, 0.99)), "ms"},
		{name + ", lost", float64(count - got), "alerts"},
	}
	if len(took) > 1 {
		last, _ := service.Received(flood.ExecutionID(len(sent) - 1))
		figures = append(figures, Figure{name + ", rate", float64(got) / last.Sub(sent[0]).Seconds(), "alerts/s"})
	}
	fmt.Fprintf(log, "%s: %d of %d alerts, p50 %s, p99 %s\n", name, got, count, quantile(took, 0.5), quantile(took, 0.99))
	return figures, nil
}

// sendOneByOne sends a flood open-loop and returns when each datagram was sent.
func sendOneByOne(s *Service, f Flood) ([]time.Time, error) {
	sender, err := NewSender(s.Addr(), len(f.Datagram(0)))
	if err != nil {
		return nil, err
	}
	defer sender.Close()
	sent := make([]time.Time, f.Count)
	began := time.Now()
	for n := range f.Count {
		due := began.Add(time.Duration(float64(n) / float64(f.Rate) * float64(time.Second)))
		if wait := time.Until(due); wait > 0 {
			time.Sleep(wait)
		}
		sent[n] = time.Now()
		if err := sender.Send(f.Datagram(n)); err != nil {
			return nil, fmt.Errorf("send datagram %d: %w", n, err)
		}
	}
	return sent, nil
}

func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
