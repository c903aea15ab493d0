package delivery

import (
	"fmt"
	"math/rand/v2"
	"time"

	"butler/internal/backoff"
	"butler/internal/keyed"
	"butler/internal/outbox"
	"butler/internal/ratelimit"
	"butler/messages"
)

// policy is how an instance delivers. Every field has to be set; the zero value
// of window, and of rate, means no limit.
type policy struct {
	// window is the suppression window of a key.
	window time.Duration
	// rate and burst bound attempts per second.
	rate  float64
	burst int
	// maxInFlight is how many attempts run, or wait for their record, at once.
	maxInFlight int
	// batch is how many notices an attempt carries at most.
	batch int
	// retry is the back-off of one notice.
	retry backoff.Policy
	// parkAfter is the age at which a notice that fails is parked.
	parkAfter time.Duration
	// breakerFailures in a row open the breaker. It stays open for the ceilings of breakerPause.
	breakerFailures int
	breakerPause    backoff.Policy
}

// Bounds that are no configuration.
const (
	// maxThrottle is the longest pause a provider can ask for.
	maxThrottle = time.Hour
	// maxPanics is how often sending one notice may crash before it is parked.
	maxPanics = 5
	// rememberEvery is how many attempts pass between two records of their number.
	rememberEvery = 5
	// restartGrace is what a notice that grew old while the service was down gets at least.
	restartGrace = time.Hour
	// countKept is how long a count of suppressed notices waits to be told.
	countKept = 30 * 24 * time.Hour
	// upkeepEvery is the least time between two looks for overdue notices and ended windows.
	upkeepEvery = time.Minute
	// settleAtOnce bounds the outcomes in one commit, and the windows that it forgets:
	// one that is too large for the journal would be waited for in vain.
	settleAtOnce = 1000
	// keptError is how much of an error a waiting notice remembers, in bytes.
	keptError = 200
)

// machine decides what happens to the notices of one instance: it is given the
// time and one input, and answers with effects. It reads no clock and does no I/O.
//
// A notice with a key waits while another one of its key is on its way. When
// that one is delivered they are suppressed and counted; when it is parked the
// next has its turn. An attempt keeps its slot until its end is durable, so a
// ledger that stands still stops the sending, too.
type machine struct {
	policy policy
	random *rand.Rand

	items   keyed.Table[*item]
	lanes   map[string]*lane
	ready   *line
	waiting *line
	// arrivals are the items in order, with settled ones in between.
	arrivals []*item
	order    uint64

	serial  uint64
	flights map[uint64]flight
	records map[uint64]record
	slots   int // taken by flights and the records they ended in

	bucket    *ratelimit.Bucket
	windows   *ratelimit.Windows
	breaker   breaker
	paused    time.Time
	throttled int // attempts in a row that were

	loaded, draining, drained bool
	nextUpkeep                time.Time
	armed                     time.Time
	lastErr                   string
	lastSuccess               time.Time

	// What the current step has collected.
	now      time.Time
	out      []effect
	outcomes []outbox.Outcome
	touched  map[string]bool // keys whose window changed
	ended    []string        // keys whose window is not needed any more
	endings  int             // how many notices ended
	keepSlot bool            // the record with the last outcomes of the step holds the slot of its attempt
}

// flight is a running attempt.
type flight struct {
	items []*item
	probe bool
}

// record is a settlement that is not durable yet.
type record struct {
	ended []messages.NoticeID
	slot  bool
}

// newMachine returns the machine of one instance. random also tells the answers
// to this machine from those to one before a restart.
func newMachine(p policy, random *rand.Rand) *machine {
	return &machine{
		policy:  p,
		random:  random,
		lanes:   map[string]*lane{},
		ready:   newReadyLine(),
		waiting: newWaitingLine(),
		serial:  random.Uint64(),
		flights: map[uint64]flight{},
		records: map[uint64]record{},
		bucket:  ratelimit.NewBucket(p.rate, p.burst),
		windows: ratelimit.NewWindows(p.window),
		breaker: breaker{threshold: p.breakerFailures, pause: p.breakerPause},
		touched: map[string]bool{},
	}
}

// step takes in one input at a time and returns what is to be done about it, in order.
func (m *machine) step(now time.Time, in input) []effect {
	m.now, m.out = now, nil
	switch in := in.(type) {
	case loaded:
		m.load(in)
	case arrived:
		for _, q := range in.notices {
			m.enqueue(q, q.queuedAt.Add(m.policy.parkAfter))
		}
	case sendFinished:
		m.finish(in)
	case settled:
		m.settled(in)
	case due:
		m.armed = time.Time{}
	case drain:
		m.draining = true
	}
	if m.loaded {
		m.upkeep()
		m.start()
	}
	m.commit()
	if m.draining && !m.drained && m.slots == 0 && len(m.records) == 0 {
		m.drained = true
		m.emit(drained{})
	}
	m.arm()
	return m.out
}

func (m *machine) emit(e effect) { m.out = append(m.out, e) }

func (m *machine) load(in loaded) {
	m.loaded = true
	for key, window := range in.windows {
		if !m.windows.Limits() {
			m.ended = append(m.ended, key)
			continue
		}
		m.windows.Restore(key, window)
	}
	for _, q := range in.notices {
		overdue := q.queuedAt.Add(m.policy.parkAfter)
		if grace := m.now.Add(min(restartGrace, m.policy.parkAfter)); overdue.Before(grace) {
			overdue = grace
		}
		m.enqueue(q, overdue)
	}
}

// enqueue adds a notice that is not known yet.
func (m *machine) enqueue(q queued, overdue time.Time) {
	at, fresh := m.items.Place(string(q.id))
	if !fresh {
		return
	}
	i := &item{
		id: q.id, key: q.key, queuedAt: q.queuedAt, overdue: overdue, expires: q.expires, attempts: q.attempts, panics: q.panics,
	}
	*at = i
	m.arrivals = append(m.arrivals, i)
	switch {
	case q.unreadable != "":
		m.end(i, outbox.Outcome{Ended: messages.NoticeParked, Cause: outbox.Unreadable, Reason: q.unreadable})
	case q.key == "" || !m.windows.Limits():
		i.key = ""
		m.makeReady(i)
	default:
		l, ok := m.lanes[q.key]
		if !ok {
			l = &lane{}
			m.lanes[q.key] = l
		}
		l.behind = append(l.behind, i)
		m.promote(q.key, l)
	}
}

func (m *machine) makeReady(i *item) {
	m.order++
	i.state, i.order = ready, m.order
	m.ready.join(i)
}

// promote gives the right of way to the next notice of a key, and suppresses
// those that an open window holds back.
func (m *machine) promote(key string, l *lane) {
	for l.active == nil && len(l.behind) > 0 {
		next := l.behind[0]
		l.behind = l.behind[1:]
		switch {
		case next.state != behind: // parked while it waited
		case m.windows.Holds(key, next.id, m.now):
			m.suppress(next)
		default:
			l.active = next
			m.makeReady(next)
		}
	}
	if l.active == nil {
		delete(m.lanes, key)
	}
}

func (m *machine) suppress(i *item) {
	window := m.windows.Get(i.key)
	m.windows.Suppress(i.key)
	m.touched[i.key] = true
	m.end(i, outbox.Outcome{
		Ended: messages.NoticeSuppressed,
		Reason: fmt.Sprintf("rate limit: notice %s of the same kind was delivered, and holds further ones back until %s",
			window.OpenedBy, window.Until.UTC().Format(time.RFC3339)),
	})
}

// upkeep ends what is of no use any more, parks what has grown too old while the
// destination fails, and forgets windows that have ended.
func (m *machine) upkeep() {
	if m.now.Before(m.nextUpkeep) {
		return
	}
	m.nextUpkeep = m.now.Add(upkeepEvery)
	m.ended = append(m.ended, m.windows.Forget(m.now, countKept)...)
	failing := m.breaker.open || m.throttled > 0
	var late []*item
	for _, i := range m.arrivals {
		if i.state.open() && (m.outdated(i) || failing && !m.now.Before(i.overdue)) {
			late = append(late, i)
		}
	}
	// All are marked before the first yields: none of them gets the right of way.
	for _, i := range late {
		m.end(i, m.tooLate(i))
	}
	for _, i := range late {
		m.yield(i)
	}
}

// outdated reports whether nobody has a use for a notice any more.
func (m *machine) outdated(i *item) bool { return !i.expires.IsZero() && !m.now.Before(i.expires) }

// tooLate is the end of a notice that is outdated or overdue.
func (m *machine) tooLate(i *item) outbox.Outcome {
	if m.outdated(i) {
		return outbox.Outcome{Ended: messages.NoticeSuppressed, Outdated: true, Reason: "outdated: " + m.expired(i, i.expires.Sub(i.queuedAt))}
	}
	return outbox.Outcome{Ended: messages.NoticeParked, Cause: outbox.Expired, Reason: m.expired(i, m.policy.parkAfter)}
}

// start sends what may be sent.
func (m *machine) start() {
	for i := m.waiting.front(); i != nil && !i.due.After(m.now); i = m.waiting.front() {
		m.waiting.take()
		m.makeReady(i)
	}
	for !m.draining && m.slots < m.atOnce() && m.ready.front() != nil &&
		!m.now.Before(m.paused) && m.breaker.allows(m.now) && m.bucket.Take(m.now) {
		m.send()
	}
}

// atOnce is how many attempts may run: one after a provider has asked for a
// pause, until it accepts again. All of them at once would only earn the next pause.
func (m *machine) atOnce() int {
	if m.throttled > 0 {
		return 1
	}
	return m.policy.maxInFlight
}

func (m *machine) send() {
	f, most := flight{probe: m.breaker.start()}, m.policy.batch
	if f.probe {
		most = 1
	}
	m.serial++
	effect := send{serial: m.serial}
	for i := m.ready.front(); i != nil && len(f.items) < most; i = m.ready.front() {
		m.ready.take()
		i.state = inFlight
		f.items = append(f.items, i)
		effect.notices = append(effect.notices, sending{
			id: i.id, attempt: i.attempts + 1, suppressedBefore: m.windows.Get(i.key).Suppressed,
		})
	}
	m.slots++
	m.flights[m.serial] = f
	m.emit(effect)
}
