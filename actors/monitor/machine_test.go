package monitor

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"butler/internal/cron"
	"butler/messages"
)

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

func every(t interface{ Fatal(...any) }, text string) cron.Frequency {
	f, err := cron.ParseText(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestMachine_probesOnTimeAndTellsWhatChanges(t *testing.T) {
	failure := messages.Failure{Kind: messages.FailureUnavailable, Text: "no route to host"}
	down := tellHealth{Reason: "no route to host"}
	at := func(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }
	for name, row := range map[string]struct {
		schedule string
		play     func(m *machine) []effect
		want     []effect
	}{
		"waits for its time": {"every 30 seconds", func(m *machine) []effect {
			return append(m.begin(at(10), false), m.tick(at(29))...)
		}, nil},
		"runs at its time": {"every 30 seconds", func(m *machine) []effect {
			return append(m.begin(at(10), false), m.tick(at(30))...)
		}, []effect{probe{1, at(30)}}},
		"runs at the start as well": {"every 30 seconds", func(m *machine) []effect {
			return append(m.begin(at(10), true), m.tick(at(29))...)
		}, []effect{probe{1, at(10)}}},
		"skips while one runs": {"every 30 seconds", func(m *machine) []effect {
			return append(m.begin(at(10), true), m.tick(at(30))...)
		}, []effect{probe{1, at(10)}, skip{at(10)}}},
		"says when one does not end": {"every 30 seconds", func(m *machine) []effect {
			m.begin(at(10), true)
			return append(m.tick(at(90)), m.tick(at(120))...)
		}, []effect{skip{at(10)}, tellHealth{Reason: "the probe of 2026-05-06T12:00:10Z has not ended"}, skip{at(10)}}},
		"goes on when it has ended": {"every 30 seconds", func(m *machine) []effect {
			m.begin(at(10), true)
			return append(m.finished(1, "", messages.Failure{}), m.tick(at(30))...)
		}, []effect{tellHealth{Up: true}, probe{2, at(30)}}},
		"drops an answer that nobody waits for": {"every 30 seconds", func(m *machine) []effect {
			m.begin(at(10), true)
			m.finished(1, "", messages.Failure{})
			return m.finished(1, "", failure)
		}, nil},
		"tells a failure once, and its end": {"every 30 seconds", func(m *machine) []effect {
			m.begin(at(10), true)
			out := m.finished(1, "", failure)
			m.tick(at(30))
			out = append(out, m.finished(2, "", failure)...)
			m.tick(at(60))
			return append(out, m.finished(3, "", messages.Failure{})...)
		}, []effect{down, tellHealth{Up: true}}},
		"shows trouble beside what was found": {"every 30 seconds", func(m *machine) []effect {
			m.begin(at(10), true)
			return m.finished(1, "sense-2 did not answer", messages.Failure{})
		}, []effect{tellHealth{Reason: "sense-2 did not answer"}}},
		"catches up once after a sleep": {"every 30 seconds", func(m *machine) []effect {
			m.begin(at(10), false)
			return append(m.tick(at(3605)), m.tick(at(3606))...)
		}, []effect{probe{1, at(3605)}}},
		"counts an interval from its last time": {"every 45 seconds", func(m *machine) []effect {
			m.begin(at(10), false)
			out := m.tick(at(56)) // due at 55
			m.finished(1, "", messages.Failure{})
			return append(out, m.tick(at(100))...)
		}, []effect{probe{1, at(56)}, probe{2, at(100)}}},
		"outlives a clock that is set back": {"every 30 seconds", func(m *machine) []effect {
			m.begin(at(10), false)
			return append(m.tick(at(-7200)), m.tick(at(-7170))...)
		}, []effect{probe{1, at(-7170)}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(row.want, row.play(newMachine(every(t, row.schedule), time.Minute))); diff != "" {
				t.Errorf("effects (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMachine_neverSleepsPastItsTime(t *testing.T) {
	m := newMachine(every(t, "every 24 hours"), time.Minute)
	m.begin(noon, false)
	if got := m.wake(noon); !got.Equal(noon.Add(time.Minute)) {
		t.Errorf("a long sleep ends at %v, want a minute at most", got)
	}
	if late := noon.Add(12*time.Hour - time.Second); !m.wake(late).Equal(noon.Add(12 * time.Hour)) {
		t.Errorf("a short sleep ends at %v, want midnight", m.wake(late))
	}
}

func TestMachine_neverHasTwoProbes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(every(t, rapid.SampledFrom([]string{"every second", "every 45 minutes", "at 12:00"}).Draw(t, "schedule")), time.Minute)
		now, running := noon, attempt(0)
		look := func(effects []effect) {
			for _, e := range effects {
				if p, ok := e.(probe); ok {
					if running != 0 {
						t.Fatalf("probe %d starts while %d runs", p.Attempt, running)
					}
					running = p.Attempt
				}
			}
		}
		look(m.begin(now, rapid.Bool().Draw(t, "at start")))
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(-100, 5000).Draw(t, "seconds")) * time.Second)
			if rapid.Bool().Draw(t, "ends") && running != 0 {
				ended := running
				running = 0
				look(m.finished(ended, "", messages.Failure{}))
			}
			look(m.tick(now))
			if !m.due.After(now) {
				t.Fatalf("at %v the next probe was due at %v", now, m.due)
			}
		}
	})
}
