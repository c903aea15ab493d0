package bench

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"butler/internal/sim/edge"
)

// The storm: so many failures in so many seconds, which is what a cluster sends
// when its database goes away.
const (
	stormCount = 5_000
	stormTime  = 10 * time.Second
)

// broken are what the neighbours of a healthy webhook do wrong, by the path of each.
var broken = []edge.Rule{
	{Name: "refusing", Kind: edge.ResetBefore},
	{Name: "hanging", Kind: edge.Hang},
	{Name: "throttling", Kind: edge.Status, Status: 429, RetryAfter: 2 * time.Second},
}

// stormRoutes sends everything to three more webhooks, one a neighbour.
func stormRoutes(address string) string {
	var out strings.Builder
	out.WriteString("  delivery: {maxInFlight: 64}\n  routes:\n    - name: storm\n      continue: true\n      webhook:\n")
	for _, b := range broken {
		fmt.Fprintf(&out, "        - {rateLimit: 0, webhookURL: %q}\n", address+"/"+b.Name)
	}
	return out.String()
}

// Storm measures what a healthy webhook notices of three neighbours that
// refuse, hang and ask to slow down, each of which is to be told the same: the
// same storm twice in one run, first with all in good health.
func Storm(log io.Writer) ([]Figure, error) {
	service, err := NewService(ServiceOptions{Latency: 5 * time.Millisecond, Extra: stormRoutes})
	if err != nil {
		return nil, err
	}
	defer service.Close()
	flood := Flood{Rate: int(stormCount / stormTime.Seconds()), Count: stormCount, Tasks: service.Tasks(50)}
	healthy, lost, err := service.storm(flood)
	if err != nil {
		return nil, err
	}
	settle(0, time.Second, service.Waiting)
	for _, b := range broken {
		b.PathPrefix = "/" + b.Name
		service.site.HTTP.Faults().Set(b)
	}
	var peak atomic.Uint64
	done := make(chan struct{})
	go watchHeap(&peak, done)
	flood.First = stormCount
	among, lostAmong, err := service.storm(flood)
	close(done)
	if err != nil {
		return nil, err
	}
	waiting := service.Waiting()
	fmt.Fprintf(log, "storm: p50 %s and p99 %s in good company, p50 %s and p99 %s in bad; %d notices wait for the others; heap at most %d MiB\n",
		quantile(healthy, 0.5), quantile(healthy, 0.99), quantile(among, 0.5), quantile(among, 0.99), waiting, peak.Load()>>20)
	const name = "storm of 5,000 failures in 10 s, healthy webhook beside three broken ones"
	return []Figure{
		{name + ", p50", milliseconds(quantile(among, 0.5)), "ms"},
		{name + ", p99", milliseconds(quantile(among, 0.99)), "ms"},
		{name + " / beside healthy ones, p50", float64(quantile(among, 0.5)) / float64(max(1, quantile(healthy, 0.5))), "x"},
		{name + " / beside healthy ones, p99", float64(quantile(among, 0.99)) / float64(max(1, quantile(healthy, 0.99))), "x"},
		{name + ", lost", float64(lost + lostAmong), "alerts"},
		{"storm, notices recorded for the broken ones and not delivered", float64(waiting), "notices"},
		{"storm, largest heap", float64(peak.Load() >> 20), "MiB"},
	}, nil
}

// storm sends a flood and returns how long the healthy webhook waited for each alert.
func (s *Service) storm(f Flood) (took []time.Duration, lost int, err error) {
	before := s.Count()
	sent, err := sendOneByOne(s, f)
	if err != nil {
		return nil, 0, err
	}
	got := settle(before+f.Count, 3*time.Second, s.Count) - before
	for n, at := range sent {
		if received, ok := s.Received(f.ExecutionID(n)); ok {
			took = append(took, received.Sub(at))
		}
	}
	slices.Sort(took)
	return took, f.Count - got, nil
}

// watchHeap keeps the largest heap seen until done.
func watchHeap(peak *atomic.Uint64, done <-chan struct{}) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak.Store(max(peak.Load(), m.HeapInuse))
		select {
		case <-tick.C:
		case <-done:
			return
		}
	}
}
