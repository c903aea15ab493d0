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

// Policy is how an instance delivers. Every field has to be set; the zero value
// of Window, and of Rate, means no limit.
type Policy struct {
	// Window is the suppression window of a key.
	Window time.Duration
	// Rate and Burst bound attempts per second.
	Rate  float64
	Burst int
	// MaxInFlight is how many attempts run, or wait for their record, at once.
	MaxInFlight int
	// Batch is how many notices an attempt carries at most.
	Batch int
	// Retry is the back-off of one notice.
	Retry backoff.Policy
	// ParkAfter is the age at which a notice that fails is parked.
	ParkAfter time.Duration
	// BreakerFailures in a row open the breaker. It stays open for the ceilings of BreakerPause.
	BreakerFailures int
	BreakerPause    backoff.Policy
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

// Machine decides what happens to the notices of one instance: it is given the
// time and one input, and answers with effects. It reads no clock and does no I/O.
//
// A notice with a key waits while another one of its key is on its way. When
// that one is delivered they are suppressed and counted; when it is parked the
// next has its turn. An attempt keeps its slot until its end is durable, so a
// ledger that stands still stops the sending, too.
type Machine struct {
	policy Policy
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
	out      []Effect
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

// NewMachine returns the machine of one instance. random also tells the answers
// to this machine from those to one before a restart.
func NewMachine(p Policy, random *rand.Rand) *Machine {
	return &Machine{
		policy:  p,
		random:  random,
		lanes:   map[string]*lane{},
		ready:   newReadyLine(),
		waiting: newWaitingLine(),
		serial:  random.Uint64(),
		flights: map[uint64]flight{},
		records: map[uint64]record{},
		bucket:  ratelimit.NewBucket(p.Rate, p.Burst),
		windows: ratelimit.NewWindows(p.Window),
		breaker: breaker{threshold: p.BreakerFailures, pause: p.BreakerPause},
		touched: map[string]bool{},
	}
}

// Step takes in one input at a time and returns what is to be done about it, in order.
func (m *Machine) Step(now time.Time, in Input) []Effect {
	m.now, m.out = now, nil
	switch in := in.(type) {
	case Loaded:
		m.load(in)
	case Arrived:
		for _, q := range in.Notices {
			m.enqueue(q, q.QueuedAt.Add(m.policy.ParkAfter))
		}
	case SendFinished:
		m.finish(in)
	case Settled:
		m.settled(in)
	case Due:
		m.armed = time.Time{}
	case Drain:
		m.draining = true
	}
	if m.loaded {
		m.upkeep()
		m.start()
	}
	m.commit()
	if m.draining && !m.drained && m.slots == 0 && len(m.records) == 0 {
		m.drained = true
		m.emit(Drained{})
	}
	m.arm()
	return m.out
}

func (m *Machine) emit(e Effect) { m.out = append(m.out, e) }

func (m *Machine) load(in Loaded) {
	m.loaded = true
	for key, window := range in.Windows {
		if !m.windows.Limits() {
			m.ended = append(m.ended, key)
			continue
		}
		m.windows.Restore(key, window)
	}
	for _, q := range in.Notices {
		overdue := q.QueuedAt.Add(m.policy.ParkAfter)
		if grace := m.now.Add(min(restartGrace, m.policy.ParkAfter)); overdue.Before(grace) {
			overdue = grace
		}
		m.enqueue(q, overdue)
	}
}

// enqueue adds a notice that is not known yet.
func (m *Machine) enqueue(q Queued, overdue time.Time) {
	at, fresh := m.items.Place(string(q.ID))
	if !fresh {
		return
	}
	i := &item{
		id: q.ID, key: q.Key, queuedAt: q.QueuedAt, overdue: overdue, expires: q.Expires, attempts: q.Attempts, panics: q.Panics,
	}
	*at = i
	m.arrivals = append(m.arrivals, i)
	switch {
	case q.Unreadable != "":
		m.end(i, outbox.Outcome{Ended: messages.NoticeParked, Cause: outbox.Unreadable, Reason: q.Unreadable})
	case q.Key == "" || !m.windows.Limits():
		i.key = ""
		m.makeReady(i)
	default:
		l, ok := m.lanes[q.Key]
		if !ok {
			l = &lane{}
			m.lanes[q.Key] = l
		}
		l.behind = append(l.behind, i)
		m.promote(q.Key, l)
	}
}

func (m *Machine) makeReady(i *item) {
	m.order++
	i.state, i.order = ready, m.order
	m.ready.join(i)
}

// promote gives the right of way to the next notice of a key, and suppresses
// those that an open window holds back.
func (m *Machine) promote(key string, l *lane) {
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

func (m *Machine) suppress(i *item) {
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
func (m *Machine) upkeep() {
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
func (m *Machine) outdated(i *item) bool { return !i.expires.IsZero() && !m.now.Before(i.expires) }

// tooLate is the end of a notice that is outdated or overdue.
func (m *Machine) tooLate(i *item) outbox.Outcome {
	if m.outdated(i) {
		return outbox.Outcome{Ended: messages.NoticeSuppressed, Outdated: true, Reason: "outdated: " + m.expired(i, i.expires.Sub(i.queuedAt))}
	}
	return outbox.Outcome{Ended: messages.NoticeParked, Cause: outbox.Expired, Reason: m.expired(i, m.policy.ParkAfter)}
}

// start sends what may be sent.
func (m *Machine) start() {
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
func (m *Machine) atOnce() int {
	if m.throttled > 0 {
		return 1
	}
	return m.policy.MaxInFlight
}

func (m *Machine) send() {
	f, most := flight{probe: m.breaker.start()}, m.policy.Batch
	if f.probe {
		most = 1
	}
	m.serial++
	effect := Send{Serial: m.serial}
	for i := m.ready.front(); i != nil && len(f.items) < most; i = m.ready.front() {
		m.ready.take()
		i.state = inFlight
		f.items = append(f.items, i)
		effect.Notices = append(effect.Notices, Sending{
			ID: i.id, Attempt: i.attempts + 1, SuppressedBefore: m.windows.Get(i.key).Suppressed,
		})
	}
	m.slots++
	m.flights[m.serial] = f
	m.emit(effect)
}
