package app_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"butler/internal/sim"
	"butler/internal/sim/edge"
)

// weather makes the systems around the service fail on and off, each at its own
// pace, and remembers what may have made a client believe that nothing arrived
// although it did: connections that were cut, and answers that were kept back.
type weather struct {
	t     *testing.T
	sinks []sinkUnderWeather
	stop  context.CancelFunc
	done  sync.WaitGroup

	// stormy lets a bad time last long now and then, instead of a blink.
	stormy bool

	mu   sync.Mutex
	cuts map[string][]cut
	// away are the long times in which something was wrong with the repository.
	away  []span
	spans map[string][]span
	lost  map[string]int
}

// sinkUnderWeather is one system, and what may happen to it.
type sinkUnderWeather struct {
	name   string
	faults *edge.Faults
	refuse func(bool) error
	rules  []edge.Rule
}

// cut is a moment at which whatever was under way was broken off.
type cut struct {
	what string
	// from and to enclose the moment.
	from, to time.Time
}

// span is a time in which answers were kept back from who had sent something.
type span struct{ from, to time.Time }

// touches reports whether the span and the time between two moments are less than d apart.
func (s span) touches(from, to time.Time, d time.Duration) bool {
	return !s.to.Add(d).Before(from) && !s.from.Add(-d).After(to)
}

// The names of the systems. Slack is another path of the system of the webhooks.
const (
	sinkHTTP   = "webhook"
	sinkSlack  = "slack"
	sinkMail   = "mail"
	sinkInflux = "influx"
	sinkQRS    = "qrs"
)

// keptBack is the kind of fault after which a client cannot know whether it was obeyed.
func keptBack(k edge.FaultKind) bool { return k == edge.ResetAfter || k == edge.Truncate }

func newWeather(t *testing.T, s *sim.Sim) *weather {
	return &weather{
		t: t, cuts: map[string][]cut{}, spans: map[string][]span{}, lost: map[string]int{},
		sinks: []sinkUnderWeather{
			{sinkHTTP, s.HTTP.Faults(), s.HTTP.Refuse, []edge.Rule{
				{Kind: edge.Status, Status: http.StatusServiceUnavailable},
				{Kind: edge.Status, Status: http.StatusTooManyRequests, RetryAfter: time.Second, Times: 1},
				{Kind: edge.Status, Status: http.StatusUnprocessableEntity, Times: 2},
				{Kind: edge.ResetBefore},
				{Kind: edge.ResetAfter, Percent: 50},
				{Kind: edge.Hang, Times: 2},
				{Kind: edge.Slow, Delay: 60 * time.Millisecond},
			}},
			{sinkMail, s.SMTP.Faults(), s.SMTP.Refuse, []edge.Rule{
				{Kind: edge.Status, Status: 421, Method: "CONNECT"},
				{Kind: edge.Status, Status: 451, Method: "MAIL"},
				{Kind: edge.Status, Status: 450, Method: "RCPT", Percent: 50},
				{Kind: edge.ResetBefore, Method: "DATA"},
				{Kind: edge.ResetAfter, Method: "DATA", Percent: 50},
				{Kind: edge.Hang, Method: "MAIL", Times: 1},
				{Kind: edge.Slow, Method: "RCPT", Delay: 60 * time.Millisecond},
			}},
			{sinkInflux, s.Influx.Faults(), s.Influx.Refuse, []edge.Rule{
				{Kind: edge.Status, Status: http.StatusServiceUnavailable},
				{Kind: edge.ResetBefore},
				{Kind: edge.ResetAfter, Percent: 50},
				{Kind: edge.Hang, Times: 1},
				{Kind: edge.Slow, Delay: 60 * time.Millisecond},
			}},
			{sinkQRS, s.QRS.Faults(), s.QRS.Outage, []edge.Rule{
				{Kind: edge.Status, Status: http.StatusServiceUnavailable},
				{Kind: edge.ResetBefore},
				// A script log is any text, so only documents can be seen to be none.
				{Kind: edge.WrongShape, PathPrefix: "/qrs/task", Percent: 30},
				{Kind: edge.WrongShape, PathPrefix: "/qrs/reloadtask", Percent: 30},
				{Kind: edge.InvalidJSON, PathPrefix: "/qrs/task", Percent: 30},
				{Kind: edge.InvalidJSON, PathPrefix: "/qrs/app", Percent: 30},
				{Kind: edge.Truncate, Percent: 50},
				{Kind: edge.Hang, Times: 2},
				{Kind: edge.Slow, Delay: 60 * time.Millisecond},
			}},
		},
	}
}

// stormOne is how often a bad time is a storm: one in so many. It lasts so long that
// the breakers open and close again and again.
const stormOne = 100

// spell is a time in which something is wrong with a system: one of its rules,
// or, with the number after the last of them, it is gone.
type spell struct {
	choice int
	lasts  time.Duration
	storm  bool
}

// spell draws a bad time.
func (w *weather) spell(s sinkUnderWeather, random *rand.Rand) spell {
	bad := spell{lasts: time.Duration(50+random.IntN(350)) * time.Millisecond, choice: random.IntN(len(s.rules) + 1)}
	if w.stormy && random.IntN(stormOne) == 0 {
		bad.storm, bad.lasts = true, time.Duration(5000+random.IntN(25_000))*time.Millisecond
	}
	return bad
}

func TestWeather_hasStormsOnlyWhereAskedFor(t *testing.T) {
	qrs := sinkUnderWeather{name: sinkQRS, rules: make([]edge.Rule, 3)}
	for _, stormy := range []bool{false, true} {
		w, random := &weather{stormy: stormy}, rand.New(rand.NewPCG(1, 1))
		storms := 0
		for range 10 * stormOne {
			bad := w.spell(qrs, random)
			if bad.storm != (bad.lasts > time.Second) || bad.lasts > time.Minute {
				t.Errorf("want blinks and storms, got %+v", bad)
			}
			if bad.storm {
				storms++
			}
		}
		if stormy != (storms > 5) {
			t.Errorf("stormy %v: got %d storms in %d bad times", stormy, storms, 10*stormOne)
		}
	}
}

// begin lets the weather loose.
func (w *weather) begin(seed uint64) {
	ctx, stop := context.WithCancel(context.Background())
	w.stop = stop
	for i, s := range w.sinks {
		random := rand.New(rand.NewPCG(seed, uint64(i)+1))
		w.done.Go(func() { w.play(ctx, s, random) })
	}
	w.t.Cleanup(w.end)
}

// play alternates between good and bad times until ctx ends.
func (w *weather) play(ctx context.Context, s sinkUnderWeather, random *rand.Rand) {
	for n := 0; ; n++ {
		if !edge.Pause(ctx, time.Duration(100+random.IntN(400))*time.Millisecond) {
			return
		}
		bad, from := w.spell(s, random), time.Now()
		if bad.choice == len(s.rules) {
			w.refuse(ctx, s, bad.lasts)
			w.passed(s, bad, "refuse", from)
			continue
		}
		rule := s.rules[bad.choice]
		rule.Name = fmt.Sprintf("%s %d", rule.Kind, n)
		if bad.storm && rule.Kind == edge.Hang {
			rule.Times = 0
		}
		s.faults.Set(rule)
		edge.Pause(ctx, bad.lasts)
		s.faults.Remove(rule.Name)
		w.passed(s, bad, rule.Kind.String(), from)
		if keptBack(rule.Kind) {
			w.mu.Lock()
			w.spans[s.name] = append(w.spans[s.name], span{from, time.Now()})
			w.lost[s.name] += s.faults.Hits(rule.Name)
			w.mu.Unlock()
		}
	}
}

// passed remembers a storm.
func (w *weather) passed(s sinkUnderWeather, bad spell, what string, from time.Time) {
	if !bad.storm {
		return
	}
	w.t.Logf("    %s: %s for %s", s.name, what, time.Since(from).Round(time.Millisecond))
	if s.name == sinkQRS {
		w.noteAway(from)
	}
}

// noteAway remembers that something was wrong with the repository since from. The
// service looks after it again in pauses that double, so the one that has begun by
// then is hardly longer than it was away.
func (w *weather) noteAway(from time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.away = append(w.away, span{from, now.Add(now.Sub(from))})
}

// repositoryAway makes the repository answer nothing for a time, whatever else is wrong with it.
func (w *weather) repositoryAway(ctx context.Context, d time.Duration) {
	from := time.Now()
	for _, s := range w.sinks {
		if s.name == sinkQRS {
			s.faults.Set(edge.Rule{Name: "away", Kind: edge.Status, Status: http.StatusServiceUnavailable})
			edge.Pause(ctx, d)
			s.faults.Remove("away")
		}
	}
	w.noteAway(from)
}

// refuse makes a system unreachable for a time.
func (w *weather) refuse(ctx context.Context, s sinkUnderWeather, d time.Duration) {
	from := time.Now()
	err := s.refuse(true)
	w.mu.Lock()
	w.cuts[s.name] = append(w.cuts[s.name], cut{"the " + s.name + " went away", from, time.Now()})
	w.mu.Unlock()
	edge.Pause(ctx, d)
	if err == nil {
		err = s.refuse(false)
	}
	if err != nil {
		w.t.Errorf("change the weather of %s: %v", s.name, err)
	}
}

// end makes everything work again; what hangs is cut off.
func (w *weather) end() {
	if w.stop == nil {
		return
	}
	w.stop()
	w.done.Wait()
	w.stop = nil
	for _, s := range w.sinks {
		s.faults.Clear()
		w.refuse(context.Background(), s, 0)
	}
}

// down makes systems unreachable until end is called.
func (w *weather) down(names ...string) {
	w.stop = func() {}
	for _, s := range w.sinks {
		for _, name := range names {
			if s.name == name {
				must(w.t, s.refuse(true))
			}
		}
	}
	w.t.Cleanup(w.end)
}
