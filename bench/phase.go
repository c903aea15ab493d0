package bench

import (
	"context"
	"sync"
	"time"

	"butler/bench/load"
	"butler/bench/target"
)

// phase is one load with its measurements.
type phase struct {
	session *session
	count   int
	ledger  *Ledger
	before  meters
	sender  load.Report
	// decidedIn is the time from the first event to the last decision, 0 when not
	// all were decided or the target does not count them.
	decidedIn time.Duration
	decided   int
	after     meters

	mu      sync.Mutex
	samples []Sample
}

// meters are readings at one moment, mostly of counters.
type meters struct {
	at         time.Time
	usage      target.Usage
	used       bool
	drops      int
	dropsKnown bool
	readings   target.Readings
	calls      map[string]int
	handshakes int64
}

func (s *session) read(ctx context.Context) meters {
	m := meters{at: time.Now(), readings: s.target.Read(ctx), calls: s.site.QRS.Counts(), handshakes: s.site.QRS.Load().Handshakes}
	m.usage, m.used = s.target.Usage()
	m.drops, m.dropsKnown = s.target.Drops()
	return m
}

const (
	sampleEvery = 250 * time.Millisecond
	// askEvery is how often the metrics page is read to see whether everything is
	// handled: often enough to be exact, and rarely enough not to disturb the target.
	askEvery = 50 * time.Millisecond
	// lateDuplicates is how long the end of a phase waits for duplicates.
	lateDuplicates = 300 * time.Millisecond
)

// run sends count events at a rate and waits until all are handled, or nothing has
// happened for drain.
func (s *session) run(ctx context.Context, rate float64, count int, drain time.Duration) (*phase, error) {
	events, err := newStream(s.site, s.variant.Scenario, s.sent)
	if err != nil {
		return nil, err
	}
	s.sent += count
	p := &phase{session: s, count: count, before: s.read(ctx)}
	p.ledger = NewLedger(count, time.Now())
	events.expect(p.ledger, count)
	s.site.ledger.Store(p.ledger)
	sampling, stop := context.WithCancel(ctx)
	var sampler sync.WaitGroup
	sampler.Go(func() { p.sample(sampling) })
	defer sampler.Wait()
	defer stop()
	if p.sender, err = events.load(rate, count).Send(ctx, s.target.Addr()); err != nil {
		return p, err
	}
	if err := p.await(ctx, drain); err != nil {
		return p, err
	}
	p.after = s.read(ctx)
	return p, wait(ctx, lateDuplicates)
}

// await waits until all events are handled, or nothing has happened for drain.
func (p *phase) await(ctx context.Context, drain time.Duration) error {
	last, since := -1, time.Now()
	for {
		missing := p.ledger.Missing()
		decided := p.askDecided(ctx)
		if missing == 0 && (decided < 0 || decided >= p.count) {
			return nil
		}
		if now := decided - missing; now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > drain {
			return nil
		}
		if err := wait(ctx, askEvery); err != nil {
			return err
		}
	}
}

// askDecided returns how many events were decided in this phase, -1 when the target does
// not count them. Once all are, it stops reading the page, which is work for the target.
func (p *phase) askDecided(ctx context.Context) int {
	if p.before.readings.Decided < 0 {
		return -1
	}
	if p.decidedIn > 0 {
		return p.decided
	}
	now := p.session.target.Read(ctx)
	p.decided = max(p.decided, int(now.Decided-p.before.readings.Decided))
	if p.decided >= p.count && p.decidedIn == 0 {
		p.decidedIn = time.Since(p.ledger.First())
	}
	return p.decided
}

// sample takes samples at intervals until ctx ends.
func (p *phase) sample(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	before, at := p.before.usage, p.before.at
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s, usage := p.look(ctx, now)
			if p.before.used {
				s.CPU = (usage.CPU - before.CPU).Seconds() / max(now.Sub(at).Seconds(), 0.001)
			}
			before, at = usage, now
			p.mu.Lock()
			p.samples = append(p.samples, s)
			p.mu.Unlock()
			if told := p.session.runner.Progress; told != nil {
				told(Progress{Title: titleOf(p.session.variant.Scenario.Name, p.session.variant.Name), Sample: s, Missing: p.ledger.Missing()})
			}
		}
	}
}

func (p *phase) look(ctx context.Context, now time.Time) (Sample, target.Usage) {
	sent, received := p.ledger.Counts()
	readings := p.session.target.Read(ctx)
	s := Sample{
		At: now.Sub(p.before.at).Seconds(), Sent: sent, Received: received, Pending: readings.Pending, Queued: readings.Queued, RSS: -1, CPU: -1,
	}
	usage, ok := p.session.target.Usage()
	if ok {
		s.RSS = mebibytes(usage.RSS)
	}
	return s, usage
}

func mebibytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// wait waits for d. It returns the error of ctx when that ends first.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
