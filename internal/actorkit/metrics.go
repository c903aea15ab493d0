package actorkit

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Stats counts actors, queued messages, restarts and panics by kind of actor.
type Stats struct {
	mu    sync.Mutex
	kinds map[string]*kindStat
}

type kindStat struct {
	actors, mailbox, restarts, faults, bugs atomic.Int64
}

// NewStats returns statistics that reg exposes; a nil reg exposes nothing.
func NewStats(reg prometheus.Registerer) *Stats {
	s := &Stats{kinds: map[string]*kindStat{}}
	if reg != nil {
		reg.MustRegister(s)
	}
	return s
}

func (s *Stats) kind(name string) *kindStat {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.kinds[name]
	if !ok {
		k = &kindStat{}
		s.kinds[name] = k
	}
	return k
}

// Bugs returns how many panics were not announced by Fail. It must stay 0.
func (s *Stats) Bugs() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var sum int64
	for _, k := range s.kinds {
		sum += k.bugs.Load()
	}
	return sum
}

// Mailboxes returns the number of messages waiting in all mailboxes of a kind.
func (s *Stats) Mailboxes(kind string) int64 { return s.kind(kind).mailbox.Load() }

func desc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, []string{"kind"}, nil)
}

// The families that Stats exposes, all labelled by kind of actor.
var families = []struct {
	desc  *prometheus.Desc
	value prometheus.ValueType
	read  func(*kindStat) int64
}{
	{desc("butler_actors", "Live actors."), prometheus.GaugeValue, func(k *kindStat) int64 { return k.actors.Load() }},
	{desc("butler_actor_mailbox_length", "Messages waiting in mailboxes."), prometheus.GaugeValue, func(k *kindStat) int64 { return k.mailbox.Load() }},
	{desc("butler_actor_restarts_total", "Restarts of actors by their supervisor."), prometheus.CounterValue, func(k *kindStat) int64 { return k.restarts.Load() }},
	{desc("butler_actor_panics_total", "Panics of actors: known faults and bugs."), prometheus.CounterValue, func(k *kindStat) int64 { return k.faults.Load() + k.bugs.Load() }},
	{desc("butler_actor_bugs_total", "Unexpected panics of actors; always 0 in a correct program."), prometheus.CounterValue, func(k *kindStat) int64 { return k.bugs.Load() }},
}

// Describe implements prometheus.Collector.
func (s *Stats) Describe(out chan<- *prometheus.Desc) {
	for _, f := range families {
		out <- f.desc
	}
}

// Collect implements prometheus.Collector.
func (s *Stats) Collect(out chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, k := range s.kinds {
		for _, f := range families {
			out <- prometheus.MustNewConstMetric(f.desc, f.value, float64(f.read(k)), name)
		}
	}
}
