package bench

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// marker identifies an event at the receiving end: its execution ID.
type marker [16]byte

// Ledger is the account of every event: when it was sent, and when and how often each
// destination received a message about it.
type Ledger struct {
	began time.Time

	mu    sync.Mutex
	index map[marker]int
	// tasks lists the events of each task, for destinations that name no execution.
	tasks map[marker][]int
	// sent holds when every event was sent, since began; 0 for not yet.
	sent         []time.Duration
	destinations map[string]*receipts
}

// receipts are the receipts of one destination, by event.
type receipts struct {
	expected []bool
	first    []time.Duration
	repeated int
	received int
	wanted   int
	// foreign counts receipts of events that were not meant for the destination.
	foreign int
}

// NewLedger returns a ledger of n events, all to be sent after now.
func NewLedger(n int, now time.Time) *Ledger {
	return &Ledger{
		began: now.Add(-1), index: make(map[marker]int, n), tasks: map[marker][]int{}, sent: make([]time.Duration, n), destinations: map[string]*receipts{},
	}
}

// Expect sets the marker and the task of an event, and the destinations that have to
// receive it.
func (l *Ledger) Expect(n int, executionID, taskID string, destinations []string) {
	m, ok := parseMarker([]byte(executionID))
	task, alsoOK := parseMarker([]byte(taskID))
	if !ok || !alsoOK {
		panic("BUG: execution ID " + executionID + " or task ID " + taskID + " is no GUID")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.index[m] = n
	l.tasks[task] = append(l.tasks[task], n)
	for _, name := range destinations {
		d := l.destinationLocked(name)
		d.expected[n] = true
		d.wanted++
	}
}

func (l *Ledger) destinationLocked(name string) *receipts {
	d := l.destinations[name]
	if d == nil {
		d = &receipts{expected: make([]bool, len(l.sent)), first: make([]time.Duration, len(l.sent))}
		l.destinations[name] = d
	}
	return d
}

// Sent records when the events from..to-1 were sent.
func (l *Ledger) Sent(from, to int, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := from; n < to; n++ {
		l.sent[n] = at.Sub(l.began)
	}
}

// Received records a message to a destination. Each of its texts is about the first event
// that it mentions, since a script log in it may mention others. Several texts about one
// event are one receipt.
func (l *Ledger) Received(destination string, at time.Time, texts ...[]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := map[int]bool{}
	for _, text := range texts {
		for m := range markers(text) {
			n, known := l.index[m]
			if !known {
				continue
			}
			if !seen[n] {
				seen[n] = true
				l.receiveLocked(destination, n, at.Sub(l.began))
			}
			break
		}
	}
}

// ReceivedTask is Received for a destination whose messages name the task and not the
// execution: a message is about the oldest event of the task without a receipt.
func (l *Ledger) ReceivedTask(destination string, at time.Time, texts ...[]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := l.destinationLocked(destination)
	for _, text := range texts {
		for m := range markers(text) {
			events := l.tasks[m]
			if len(events) == 0 {
				continue
			}
			n := slices.IndexFunc(events, func(n int) bool { return d.first[n] == 0 && l.sent[n] != 0 })
			l.receiveLocked(destination, events[max(n, 0)], at.Sub(l.began))
			return
		}
	}
}

func (l *Ledger) receiveLocked(destination string, n int, at time.Duration) {
	d := l.destinationLocked(destination)
	switch {
	case d.first[n] != 0:
		d.repeated++
	case !d.expected[n]:
		d.foreign++
		d.first[n] = at
	default:
		d.received++
		d.first[n] = at
	}
}

// Missing returns how many receipts are still expected.
func (l *Ledger) Missing() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	missing := 0
	for _, d := range l.destinations {
		missing += d.wanted - d.received
	}
	return missing
}

// Counts returns how many events were sent and how many receipts came.
func (l *Ledger) Counts() (sent, received int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, at := range l.sent {
		if at != 0 {
			sent++
		}
	}
	for _, d := range l.destinations {
		received += d.received
	}
	return sent, received
}

// Delivery sums up the events of one destination.
type Delivery struct {
	Destination string `json:"destination"`
	Expected    int    `json:"expected"`
	Received    int    `json:"received"`
	Lost        int    `json:"lost"`
	Duplicates  int    `json:"duplicates"`
	// Foreign counts events that were not meant for this destination.
	Foreign int `json:"foreign,omitempty"`
	// The quantiles and the maximum of the time from send to receipt, in
	// milliseconds; absent without a receipt.
	P50  float64 `json:"p50,omitempty"`
	P90  float64 `json:"p90,omitempty"`
	P99  float64 `json:"p99,omitempty"`
	P999 float64 `json:"p999,omitempty"`
	Max  float64 `json:"max,omitempty"`
	// Rate is receipts a second, from the first send to the last receipt.
	Rate float64 `json:"rate"`
}

// Window is the latency of the events that were sent in a part of the run.
type Window struct {
	// At is the beginning, in seconds since the first event.
	At       float64 `json:"at"`
	P50      float64 `json:"p50"`
	P99      float64 `json:"p99"`
	Max      float64 `json:"max"`
	Sent     int     `json:"sent"`
	Received int     `json:"received"`
}

// NewHistogram returns a histogram of times in microseconds, up to an hour, with three
// significant digits.
func NewHistogram() *hdr.Histogram { return hdr.New(1, time.Hour.Microseconds(), 3) }

// Deliveries sums up the events by destination.
func (l *Ledger) Deliveries() []Delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Delivery
	for name, d := range l.destinations {
		histogram, last := NewHistogram(), time.Duration(0)
		for n, at := range d.first {
			if at == 0 || !d.expected[n] {
				continue
			}
			_ = histogram.RecordValue(max(1, (at - l.sent[n]).Microseconds())) // an hour is longer than any run
			last = max(last, at)
		}
		out = append(out, Delivery{
			Destination: name, Expected: d.wanted, Received: d.received, Lost: d.wanted - d.received, Duplicates: d.repeated, Foreign: d.foreign,
			P50: quantile(histogram, 50), P90: quantile(histogram, 90), P99: quantile(histogram, 99), P999: quantile(histogram, 99.9),
			Max: float64(histogram.Max()) / 1000, Rate: rate(d.received, last-l.firstLocked()),
		})
	}
	slices.SortFunc(out, func(a, b Delivery) int { return strings.Compare(a.Destination, b.Destination) })
	return out
}

func (l *Ledger) firstLocked() time.Duration {
	for _, at := range l.sent {
		if at != 0 {
			return at
		}
	}
	return 0
}

// First returns when the first event was sent.
func (l *Ledger) First() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.began.Add(l.firstLocked())
}

// Windows returns the latencies over time, for all destinations together.
func (l *Ledger) Windows(width time.Duration) []Window {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.firstLocked()
	var out []Window
	var histograms []*hdr.Histogram
	for n, at := range l.sent {
		if at == 0 {
			continue
		}
		k := int((at - first) / width)
		for len(out) <= k {
			out = append(out, Window{At: (time.Duration(len(out)) * width).Seconds()})
			histograms = append(histograms, NewHistogram())
		}
		out[k].Sent++
		for _, d := range l.destinations {
			if received := d.first[n]; received != 0 {
				out[k].Received++
				_ = histograms[k].RecordValue(max(1, (received - at).Microseconds()))
			}
		}
	}
	for k, h := range histograms {
		out[k].P50, out[k].P99, out[k].Max = quantile(h, 50), quantile(h, 99), float64(h.Max())/1000
	}
	return out
}

func quantile(h *hdr.Histogram, q float64) float64 {
	return float64(h.ValueAtQuantile(q)) / 1000
}

func rate(n int, in time.Duration) float64 {
	if in <= 0 {
		return 0
	}
	return float64(n) / in.Seconds()
}

// guidLength is the length of a GUID as text.
const guidLength = 36

// markers yields the GUIDs in a text.
func markers(text []byte) func(yield func(marker) bool) {
	return func(yield func(marker) bool) {
		const head = 8 // digits before the first dash
		for from := 0; ; {
			dash := bytes.IndexByte(text[from:], '-')
			if dash < 0 {
				return
			}
			start := from + dash - head
			from += dash + 1
			if start < 0 || start+guidLength > len(text) {
				continue
			}
			m, ok := parseMarker(text[start : start+guidLength])
			if !ok {
				continue
			}
			if !yield(m) {
				return
			}
			from = start + guidLength
		}
	}
}

func parseMarker(text []byte) (marker, bool) {
	var m marker
	if len(text) != guidLength || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return m, false
	}
	at := 0
	for _, part := range [][2]int{{0, 8}, {9, 13}, {14, 18}, {19, 23}, {24, guidLength}} {
		n, err := hex.Decode(m[at:], text[part[0]:part[1]])
		if err != nil {
			return m, false
		}
		at += n
	}
	return m, true
}
