package cloud

import (
	"fmt"
	"testing"
	"time"

	"butler/messages"
)

// crowd returns a machine with n events whose look-ups are not answered.
func crowd(n int) (*machine, time.Time) {
	m := newMachine(Rules{Router: router{}, DegradedAfter: time.Hour, MaxOpen: n}, func(string) {})
	now := time.Unix(1_900_000_000, 0)
	m.resume(now, found{done: map[string]time.Time{}})
	burst(m, now, n)
	return m, now
}

// burst adds n events.
func burst(m *machine, now time.Time, n int) {
	for i := range n {
		key := fmt.Sprint("r-", i)
		m.handle(now, messages.AcceptCloudEvent{Event: messages.CloudEvent{Reload: messages.CloudReload{ReloadID: key}}})
		m.handle(now, stored{key})
		m.next()
	}
}

func TestMachine_aMessageCostsTheSameHoweverManyEventsWait(t *testing.T) {
	m, now := crowd(1000)
	if got := testing.AllocsPerRun(100, func() { m.handle(now, tick{}) }); got > 0 {
		t.Errorf("want nothing allocated, got %v times", got)
	}
}

func TestMachine_asksForTheOldestEventFirst(t *testing.T) {
	const events = 10
	m, now := crowd(events)
	var asked []string
	answer := func(key string, what question) {
		for _, e := range m.handle(now, answered{key: key, what: what, answer: messages.CloudItem{}}) {
			if a, ok := e.(ask); ok && (len(asked) == 0 || asked[len(asked)-1] != a.key) {
				asked = append(asked, a.key)
			}
		}
	}
	// Three look-ups of the first event are running, and one of the second.
	for i := range events {
		for _, what := range []question{askRecord, askItem, askApp} {
			answer(fmt.Sprint("r-", i), what)
		}
	}
	want := make([]string, 0, events)
	for i := 1; i < events; i++ {
		want = append(want, fmt.Sprint("r-", i))
	}
	if fmt.Sprint(asked) != fmt.Sprint(want) {
		t.Errorf("want it asked in the order of arrival, got %v", asked)
	}
	if at := m.next(); at != now.Add(sweepEvery) {
		t.Errorf("want nothing left to do, got it woken at %s", at)
	}
}

func TestMachine_honoursTheLongestPauseThatTheTenantAskedFor(t *testing.T) {
	m, now := crowd(10)
	busy := messages.Failure{Kind: messages.FailureBusy}
	m.handle(now, answered{key: "r-0", what: askRecord, failure: busy, after: time.Minute})
	m.handle(now, answered{key: "r-0", what: askItem, failure: busy, after: 5 * time.Second})
	if at := m.next(); at != now.Add(time.Minute) {
		t.Errorf("want it woken when the pause is over, got %s after now", at.Sub(now))
	}
	asks := 0
	for _, e := range m.handle(now.Add(time.Minute), tick{}) {
		if _, ok := e.(ask); ok {
			asks++
		}
	}
	if asks != 2 {
		t.Errorf("want the two free places used then, got %d", asks)
	}
}

func TestMachine_forgetsWhatItHasNotAskedForADecidedEvent(t *testing.T) {
	m, now := crowd(0)
	m.rules.MaxOpen, m.rules.DegradedAfter = 10, time.Second
	for range 100 {
		burst(m, now, 10)
		m.handle(now, answered{key: "r-0", what: askRecord, failure: messages.Failure{Kind: messages.FailureBusy}, after: time.Hour})
		m.calls = 0 // the other calls run into their timeout
		now = now.Add(time.Second)
		m.handle(now, tick{})
		for i := range 10 {
			m.handle(now, recorded{fmt.Sprint("r-", i)})
		}
		clear(m.done)
	}
	if n := len(m.open) + len(m.looking) + len(m.fresh) + len(m.retries); n > 0 {
		t.Errorf("want nothing kept of events that are decided, got %d of %d", n, 1000)
	}
}

func BenchmarkMachine_burst(b *testing.B) {
	const events = 10_000
	for name, failure := range map[string]messages.Failure{"silent": {}, "away": {Kind: messages.FailureUnavailable}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				m, now := crowd(0)
				m.rules.MaxOpen = events
				if failure.Failed() {
					m.rules.MaxCalls = 8 * events // all of them fail at once, and wait for a retry
				}
				burst(m, now, events)
				for i := 0; failure.Failed() && i < events; i++ {
					m.handle(now, answered{key: fmt.Sprint("r-", i), what: askRecord, failure: failure})
					m.next()
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*events), "us/event")
		})
	}
}
