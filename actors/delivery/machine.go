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

// Bounds that are not configurable.
const (
	// maxThrottle is the longest pause a provider can ask for.
	maxThrottle = time.Hour
	// maxPanics is how often sending one notice may crash before it is parked.
	maxPanics = 5
	// recordEvery is after how many failed attempts of a notice their number is recorded.
	recordEvery = 5
	// restartGrace is how long a notice that is overdue at the start is still tried.
	restartGrace = time.Hour
	// keepCountFor is how long a count of suppressed notices is kept after its window
	// ended, for the next delivered notice to show.
	keepCountFor = 30 * 24 * time.Hour
	// upkeepEvery is the least time between two searches for overdue notices and ended windows.
	upkeepEvery = time.Minute
	// settleAtOnce bounds the outcomes, and the deleted windows, in one commit: one
	// that is too large for the journal would never become durable.
	settleAtOnce = 1000
	// maxKeptError bounds the error text that is kept in memory per notice, in bytes.
	maxKeptError = 200
)

// machine decides what happens to the notices of one instance: it gets the time and
// one input, and returns effects. It reads no clock and does no I/O.
//
// Of the notices with the same suppression key one at a time is active; the others
// are blocked. When it is delivered they are suppressed and counted; when it is
// parked the next one becomes active. An attempt keeps its slot until its outcome is
// durable, so nothing is sent while the ledger cannot be written.
type machine struct {
	policy policy
	random *rand.Rand

	items   keyed.Table[*item]
	byKey   map[string]*keyQueue
	ready   *priorityQueue
	retries *priorityQueue
	// arrivals are the items in order of arrival, including some that are gone.
	arrivals []*item
	order    uint64

	serial      uint64
	running     map[uint64]attempt
	settlements map[uint64]openSettlement
	slots       int // taken by attempts, and by settlements of attempts that are not durable

	bucket    *ratelimit.Bucket
	windows   *ratelimit.Windows
	breaker   breaker
	paused    time.Time // until when the provider asked to wait
	throttled int       // throttled attempts in a row

	loaded, draining, drained bool
	nextUpkeep                time.Time
	armed                     time.Time
	lastErr                   string
	lastSuccess               time.Time

	// What the current step has collected.
	now            time.Time
	out            []effect
	outcomes       []outbox.Outcome
	changedWindows map[string]bool // keys
	endedWindows   []string        // keys of windows to delete
	endedCount     int             // of notices
	keepSlot       bool            // whether the last settlement of the step holds the slot of the attempt
}

// attempt is a delivery attempt that is running.
type attempt struct {
	items []*item
	probe bool
}

// openSettlement is a settlement that is not durable yet.
type openSettlement struct {
	ended []messages.NoticeID
	slot  bool
}

// newMachine returns the machine of one instance. random also makes its serial
// numbers different from those of a machine before a restart.
func newMachine(p policy, random *rand.Rand) *machine {
	return &machine{
		policy:         p,
		random:         random,
		byKey:          map[string]*keyQueue{},
		ready:          newReadyQueue(),
		retries:        newRetryQueue(),
		serial:         random.Uint64(),
		running:        map[uint64]attempt{},
		settlements:    map[uint64]openSettlement{},
		bucket:         ratelimit.NewBucket(p.rate, p.burst),
		windows:        ratelimit.NewWindows(p.window),
		breaker:        breaker{threshold: p.breakerFailures, pause: p.breakerPause},
		changedWindows: map[string]bool{},
	}
}

// step takes one input and returns the effects, in order.
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
	if m.draining && !m.drained && m.slots == 0 && len(m.settlements) == 0 {
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
			m.endedWindows = append(m.endedWindows, key)
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
		same, ok := m.byKey[q.key]
		if !ok {
			same = &keyQueue{}
			m.byKey[q.key] = same
		}
		same.blocked = append(same.blocked, i)
		m.activateNext(q.key, same)
	}
}

func (m *machine) makeReady(i *item) {
	m.order++
	i.state, i.order = ready, m.order
	m.ready.add(i)
}

// activateNext makes the next blocked notice of a key active, and suppresses those
// that an open window holds back.
func (m *machine) activateNext(key string, same *keyQueue) {
	for same.active == nil && len(same.blocked) > 0 {
		next := same.blocked[0]
		same.blocked = same.blocked[1:]
		switch {
		case next.state != blocked: // it has ended meanwhile
		case m.windows.Holds(key, next.id, next.queuedAt, m.now):
			m.suppress(next)
		default:
			same.active = next
			m.makeReady(next)
		}
	}
	if same.active == nil {
		delete(m.byKey, key)
	}
}

func (m *machine) suppress(i *item) {
	window := m.windows.Get(i.key)
	m.windows.Suppress(i.key)
	m.changedWindows[i.key] = true
	m.end(i, outbox.Outcome{
		Ended:  messages.NoticeSuppressed,
		Reason: fmt.Sprintf("rate limit: one of the same kind was delivered; the next is sent after %s UTC", window.Until.UTC().Format(time.DateTime)),
	})
}

// upkeep suppresses outdated notices, parks overdue ones while the destination
// fails, and deletes windows that have ended.
func (m *machine) upkeep() {
	if m.now.Before(m.nextUpkeep) {
		return
	}
	m.nextUpkeep = m.now.Add(upkeepEvery)
	m.endedWindows = append(m.endedWindows, m.windows.Forget(m.now, keepCountFor)...)
	failing := m.breaker.open || m.throttled > 0
	var late []*item
	for _, i := range m.arrivals {
		if i.state.open() && (m.outdated(i) || failing && !m.now.Before(i.overdue)) {
			late = append(late, i)
		}
	}
	// All of them end before the next ones become active: none of them may be that.
	for _, i := range late {
		m.end(i, m.tooLate(i))
	}
	for _, i := range late {
		m.release(i)
	}
}

// outdated reports whether a notice has expired.
func (m *machine) outdated(i *item) bool { return !i.expires.IsZero() && !m.now.Before(i.expires) }

// tooLate is the outcome of a notice that is outdated or overdue.
func (m *machine) tooLate(i *item) outbox.Outcome {
	if m.outdated(i) {
		return outbox.Outcome{Ended: messages.NoticeSuppressed, Outdated: true, Reason: "outdated: " + m.expired(i, i.expires.Sub(i.queuedAt))}
	}
	return outbox.Outcome{Ended: messages.NoticeParked, Cause: outbox.Expired, Reason: m.expired(i, m.policy.parkAfter)}
}

// start sends the notices that may be sent now.
func (m *machine) start() {
	for i := m.retries.front(); i != nil && !i.due.After(m.now); i = m.retries.front() {
		m.retries.removeFront()
		m.makeReady(i)
	}
	for !m.draining && m.slots < m.atOnce() && m.ready.front() != nil &&
		!m.now.Before(m.paused) && m.breaker.allows(m.now) && m.bucket.Take(m.now) {
		m.send()
	}
}

// atOnce is how many attempts may run. After a provider has asked for a pause it is
// one, until the provider accepts again: more would be throttled again.
func (m *machine) atOnce() int {
	if m.throttled > 0 {
		return 1
	}
	return m.policy.maxInFlight
}

func (m *machine) send() {
	a, most := attempt{probe: m.breaker.start()}, m.policy.batch
	if a.probe {
		most = 1
	}
	m.serial++
	effect := send{serial: m.serial}
	for i := m.ready.front(); i != nil && len(a.items) < most; i = m.ready.front() {
		m.ready.removeFront()
		i.state = inFlight
		a.items = append(a.items, i)
		effect.notices = append(effect.notices, sending{
			id: i.id, attempt: i.attempts + 1, suppressedBefore: m.windows.Get(i.key).Suppressed,
		})
	}
	m.slots++
	m.running[m.serial] = a
	m.emit(effect)
}
