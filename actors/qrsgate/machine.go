package qrsgate

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"butler/internal/qlik"
	"butler/messages"
)

// machine decides what is answered from the cache, which calls are made and who gets
// their answers. It is pure: it gets the time and one input, and returns effects.
type machine struct {
	rules   Rules
	random  func() float64
	breaker breaker
	caches  map[operation]*cache

	// waiting holds the entries that the next call for their key will answer. They are
	// in one of the queues, oldest first, unless a look-up of the same key is running:
	// then they are held back until it ends.
	waiting map[key]*entry
	queues  [operationCount][]*entry
	// calls are the running calls, at most one for a key.
	calls map[callID]*call
	// running holds the entries that are being looked up, by a call or between two attempts.
	running map[key]*entry
	// retries are the entries between two attempts, the next one to queue first.
	retries   []*entry
	lanes     [operationCount]int
	deadlines deadlines

	// lastCall outlives a crash of the gate, so that call IDs of different lives differ.
	lastCall  *callID
	lastEntry uint64
	// failing are the objects whose last look-up failed, unless a ping has failed since;
	// true for those that are asked for in a call of their own.
	failing map[key]bool
	// reportedUp is the health that was reported last; nil before the first report.
	reportedUp *bool
	// problem is why the QRS is out of reach, trouble the same without what is specific
	// to the call that failed.
	problem, trouble string
}

type callID uint64

// outcome is the result of a call. Values are by lower-case ID. A failure applies to
// every ID without a value; without a failure, an ID without a value does not exist.
type outcome struct {
	values  map[string]any
	failure messages.Failure
	// trouble is the text of the failure without what is specific to the call.
	trouble string
	// retryAfter is the pause before the next attempt, 0 when this is the final outcome.
	retryAfter time.Duration
}

// notFoundFor is how long the answer that something does not exist is cached.
const notFoundFor = 10 * time.Second

// replyLead is how long before its deadline a waiter gets a stale or partial answer: at
// the deadline it would come too late.
const replyLead = time.Second

func newMachine(now time.Time, rules Rules, random func() float64, last *callID) *machine {
	m := &machine{
		rules: rules, random: random, breaker: newBreaker(now, rules.Breaker), lastCall: last,
		waiting: map[key]*entry{}, calls: map[callID]*call{}, running: map[key]*entry{},
		failing: map[key]bool{},
	}
	m.emptyCaches()
	return m
}

func (m *machine) emptyCaches() {
	m.caches = map[operation]*cache{}
	for op := range operation(operationCount) {
		if operations[op].cached {
			m.caches[op] = newCache(m.rules.CacheSize)
		}
	}
}

// begin is the first input.
func (m *machine) begin(now time.Time) []effect {
	if m.rules.NotConfigured {
		return m.health(false, notConfigured)
	}
	return m.schedule(now)
}

// change sets new rules. With another connection or other settings of the breaker,
// nothing is known of the QRS: the breaker is a new one, and the running calls, which
// tell nothing about it, are made again. Another QRS answers everything that waits: no
// answer of the old one is given any more.
func (m *machine) change(now time.Time, rules Rules, connection Connection) []effect {
	before := m.rules
	m.rules = rules
	if connection == SameConnection && rules.Breaker == before.Breaker && rules.NotConfigured == before.NotConfigured {
		return m.schedule(now)
	}
	m.breaker, m.reportedUp, m.problem, m.trouble = newBreaker(now, rules.Breaker), nil, "", ""
	clear(m.failing)
	if connection == OtherRepository {
		m.forgetAnswers()
	}
	effects := append(m.startAgain(), m.begin(now)...)
	if rules.NotConfigured {
		m.problem, m.trouble = notConfigured, notConfigured
		effects = append(effects, m.flush(now)...)
	}
	return effects
}

// forgetAnswers forgets everything that the QRS has answered.
func (m *machine) forgetAnswers() {
	m.emptyCaches()
	for _, e := range m.running {
		e.known = scriptLog{}
	}
}

const notConfigured = "no Qlik Sense connection is configured"

// ask accepts questions and starts the calls that they need.
func (m *machine) ask(now time.Time, questions ...question) []effect {
	effects := make([]effect, 0, len(questions))
	for _, q := range questions {
		effects = append(effects, m.accept(now, q)...)
	}
	return append(effects, m.schedule(now)...)
}

// accept answers a question that needs no call, and queues any other.
func (m *machine) accept(now time.Time, q question) []effect {
	switch {
	case m.rules.NotConfigured:
		return m.refuse(now, q, messages.FailureRejected, notConfigured)
	case !qlik.IsGUID(q.key.id):
		return m.refuse(now, q, messages.FailureRejected, "the "+operations[q.key.op].noun+" ID is not an object ID")
	}
	known, ok := m.recall(now, q)
	if ok && now.Sub(known.at) <= m.freshFor(q, known) {
		reply := m.answer(q, answerFrom(known, false, now))
		effects := []effect{countCache{q.key.op, cacheHit}, reply}
		if task, ok := reply.Message.(messages.LookupTaskReply); ok && task.Task.Known && (task.Task.AppID == "" || task.App.Known) {
			effects = append(effects, readCachePut{task})
		}
		return effects
	}
	due := m.dueOf(now, q, ok)
	switch {
	case m.breaker.open:
		return m.unanswered(now, q, m.outOfReach())
	case !now.Before(due):
		return m.unanswered(now, q, tooLate(q))
	}
	m.enqueue(now, &waiter{question: q, due: due})
	return m.countMiss(q)
}

// recall returns a cached answer that the question may get, at least as a stale one.
func (m *machine) recall(now time.Time, q question) (cachedAnswer, bool) {
	if q.fresh() || !operations[q.key.op].cached {
		return cachedAnswer{}, false
	}
	known, ok := m.caches[q.key.op].get(q.key)
	return known, ok && now.Sub(known.at) <= max(m.rules.StaleFor, m.rules.TTL)
}

// freshFor returns the age up to which a cached answer counts as fresh.
func (m *machine) freshFor(q question, known cachedAnswer) time.Duration {
	age := min(q.maxAge, m.rules.TTL)
	if known.value == nil {
		return min(age, notFoundFor)
	}
	return age
}

// dueOf returns when the question is answered at the latest.
func (m *machine) dueOf(now time.Time, q question, hasCopy bool) time.Time {
	due := q.deadline
	if due.IsZero() {
		due = now.Add(m.rules.timeout(q.key.op))
	}
	if hasCopy && due.Sub(now) > replyLead {
		due = due.Add(-replyLead)
	}
	return due
}

func (m *machine) countMiss(q question) []effect {
	if q.fresh() || !operations[q.key.op].cached {
		return nil
	}
	return []effect{countCache{q.key.op, cacheMiss}}
}

// finished handles the outcome of a call.
func (m *machine) finished(now time.Time, id callID, got outcome) []effect {
	c, ok := m.calls[id]
	if !ok {
		return nil
	}
	delete(m.calls, id)
	m.lanes[c.op]--
	effects := m.updateHealth(now, c, got)
	for _, e := range c.entries {
		if got.retryAfter > 0 && e.live > 0 {
			m.scheduleRetry(now, e, got)
			continue
		}
		effects = append(effects, m.answerAll(now, e, got)...)
		m.release(e)
	}
	if m.breaker.open {
		effects = append(effects, m.flush(now)...)
	}
	return append(effects, m.schedule(now)...)
}

// updateHealth updates the breaker from the outcome of a call.
func (m *machine) updateHealth(now time.Time, c *call, got outcome) []effect {
	op, failure := c.op, got.failure
	unreachable := failure.Kind == messages.FailureUnavailable || failure.Kind == messages.FailureTimeout
	switch {
	case got.retryAfter > 0:
		return nil // the last attempt counts
	case op == opPing && failure.Kind == messages.FailureBusy:
		m.breaker.cool(now, m.random())
		return nil
	case op == opPing && failure.Failed():
		clear(m.failing) // the QRS is the cause
		m.problem, m.trouble = failure.Text, cmp.Or(got.trouble, failure.Text)
		m.breaker.pingFailed(now, m.random())
	case op == opPing:
		m.breaker.pinged(now)
	case failure.Kind == messages.FailureBusy, failure.Kind == messages.FailureInvalid:
		return nil // inconclusive
	case unreachable:
		if again := m.noteFailing(c, got); len(got.values) > 0 {
			return nil
		} else if again {
			m.breaker.pingSoon(now, m.random())
			return nil
		}
		m.problem, m.trouble = failure.Text, cmp.Or(got.trouble, failure.Text)
		m.breaker.failed(now, m.random())
	default:
		m.clearFailing(c)
		m.breaker.succeeded(now)
	}
	return m.health(!m.breaker.open, m.problem)
}

// answerAll answers all waiters of an entry.
func (m *machine) answerAll(now time.Time, e *entry, got outcome) []effect {
	value, found := got.values[e.key.id]
	exhausted := found && got.failure.Failed()
	if !found && e.known.Execution.Known {
		value, found = e.known, true
	}
	result := answer{value: value, exhausted: exhausted, at: now, asOf: now}
	if !found || e.key.op == opScriptLog {
		result.failure = got.failure
	}
	if !found && !got.failure.Failed() {
		result.failure = notFound(e.key)
	}
	m.remember(e, result)
	definite := found || result.failure.Kind == messages.FailureNotFound
	var effects []effect
	for _, w := range e.waiters {
		switch {
		case !m.removeWaiter(w):
		case definite:
			effects = append(effects, m.answer(w.question, result))
		default:
			effects = append(effects, m.unanswered(now, w.question, result.failure)...)
		}
	}
	return effects
}

func notFound(k key) messages.Failure {
	return messages.Failure{
		Kind: messages.FailureNotFound,
		Text: "the " + operations[k.op].noun + " " + k.id + " does not exist in the Qlik Repository Service, or the user of configQRS may not read it",
	}
}

// remember caches an answer, with the time of the question.
func (m *machine) remember(e *entry, a answer) {
	if !operations[e.key.op].cached || a.failure.Failed() && a.failure.Kind != messages.FailureNotFound {
		return
	}
	m.caches[e.key.op].put(cachedAnswer{key: e.key, value: a.value, at: e.started})
}

// flush answers all waiters for which there is no running call, because none will be made.
func (m *machine) flush(now time.Time) []effect {
	entries := slices.Collect(maps.Values(m.waiting))
	for _, e := range m.running {
		if e.betweenAttempts {
			entries = append(entries, e)
			delete(m.running, e.key)
		}
	}
	slices.SortFunc(entries, bySeq)
	clear(m.waiting)
	clear(m.queues[:])
	m.retries = nil
	var effects []effect
	for _, e := range entries {
		for _, w := range e.waiters {
			if m.removeWaiter(w) {
				effects = append(effects, m.answerPartly(now, w, m.outOfReach())...)
			}
		}
	}
	return effects
}

// tick answers the waiters whose time is up, and starts retries and pings that are due.
func (m *machine) tick(now time.Time) []effect {
	var effects []effect
	for len(m.deadlines) > 0 && !now.Before(m.deadlines[0].due) {
		w := m.deadlines[0]
		m.removeWaiter(w)
		effects = append(effects, m.answerPartly(now, w, tooLate(w.question))...)
		if w.entry.live == 0 {
			m.forget(w.entry)
		}
	}
	return append(effects, m.schedule(now)...)
}

func (m *machine) outOfReach() messages.Failure {
	return messages.Failure{Kind: messages.FailureUnavailable, Text: "the Qlik Repository Service is out of reach: " + m.trouble}
}

func tooLate(q question) messages.Failure {
	return messages.Failure{
		Kind: messages.FailureTimeout,
		Text: "the Qlik Repository Service did not answer the " + operations[q.key.op].noun + " look-up in time",
	}
}

// unanswered answers a question without the QRS: with a stale answer if the question
// accepts one, with the failure otherwise.
func (m *machine) unanswered(now time.Time, q question, failure messages.Failure) []effect {
	if known, ok := m.recall(now, q); ok && known.value != nil && failure.Retryable() {
		return []effect{countCache{q.key.op, cacheStale}, m.answer(q, answerFrom(known, true, now))}
	}
	return []effect{m.answer(q, answer{failure: failure, at: now})}
}

func (m *machine) refuse(now time.Time, q question, kind messages.FailureKind, text string) []effect {
	return []effect{m.answer(q, answer{failure: messages.Failure{Kind: kind, Text: text}, at: now})}
}

// atHand returns the cached app of a task and the app's owner, if they are fresh enough
// for the question about the task.
func (m *machine) atHand(q question, t messages.Task, now time.Time) (app messages.App, owner messages.Owner) {
	look := func(op operation, id string) any {
		along := q
		along.key = keyOf(op, id)
		if known, ok := m.recall(now, along); ok && now.Sub(known.at) <= m.freshFor(along, known) {
			return known.value
		}
		return nil
	}
	if app, _ = look(opApp, t.AppID).(messages.App); app.OwnerID != "" {
		owner, _ = look(opOwner, app.OwnerID).(messages.Owner)
	}
	return app, owner
}

func (m *machine) answer(q question, a answer) sendReply {
	if task, ok := a.value.(messages.Task); ok && !q.fresh() {
		a.app, a.owner = m.atHand(q, task, a.at)
	}
	return sendReply{To: q.replyTo, Question: q.number, Message: q.reply(a), Together: q.together}
}

// answerFrom returns the answer of a cached one.
func answerFrom(known cachedAnswer, stale bool, now time.Time) answer {
	a := answer{value: known.value, stale: stale, at: now, asOf: known.at}
	if known.value == nil {
		a.failure = notFound(known.key)
	}
	return a
}

// health reports a change of the health.
func (m *machine) health(up bool, reason string) []effect {
	if m.reportedUp != nil && *m.reportedUp == up {
		return nil
	}
	m.reportedUp = &up
	if up {
		reason = ""
	}
	return []effect{tellHealth{Up: up, Reason: reason}}
}

// next returns when to call tick, the zero time for never.
func (m *machine) next() time.Time {
	var at time.Time
	if m.canPing() {
		at = m.breaker.pingAt
	}
	if len(m.deadlines) > 0 && (at.IsZero() || m.deadlines[0].due.Before(at)) {
		at = m.deadlines[0].due
	}
	if len(m.retries) > 0 && (at.IsZero() || m.retries[0].notBefore.Before(at)) {
		at = m.retries[0].notBefore
	}
	return at
}
