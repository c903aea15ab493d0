package kv

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"butler/internal/journal"
	"butler/messages"
)

const (
	// purgePace is the least time between two complete purges, so that values which
	// expire shortly after one another are removed together.
	purgePace = 100 * time.Millisecond
	// purgeAtOnce is how many expired values are removed in one step, and removeAtOnce
	// how many bytes of keys in one commit, so that other commands get a turn in between.
	purgeAtOnce  = 1024
	removeAtOnce = 128 << 10
	// maxWaitingAnswers bounds the answers that wait for the disk, in one namespace.
	maxWaitingAnswers = 4096
)

// machine decides everything about the values of one namespace. It is pure: it gets
// the time and one input, updates itself and returns effects, in order. It shares only
// its two accounts, which outlive it.
//
// A change is made in memory at once and committed in a batch, which is pending until it
// is durable; batches are committed in order. Whatever reveals the change is delayed until
// its batch is durable: the answer to the caller, reads of the key, and the messages to
// watchers. So conditions are checked against the latest state, and no state is visible
// that a crash could undo.
type machine struct {
	id           uint64
	name         string
	limits       Limits
	life         int
	room         *account // bytes that are stored
	pendingBytes *account // bytes in batches that are not durable yet

	pairs map[string]*pair
	due   expiries
	bytes int64
	// last is the latest revision. A revision is the time in microseconds since 1970,
	// or one more than the last, so that none is used twice, even after a restart.
	last uint64

	pending     map[uint64]*batch // by number: committed and not durable yet
	open        *batch            // collects the changes of the current step
	issued      uint64            // the latest batch
	durable     uint64            // the latest durable batch, at most issued
	written     uint64            // the latest batch with a put or delete, not only expiries
	creation    uint64            // the batch that creates the namespace, 0 when it is on disk
	pendingKeys map[string]uint64 // the pending batch with the latest change of a key
	waiting     int               // answers that wait for a batch
	deleting    bool              // the namespace is deleted, or being deleted

	armed     int64 // when the timer fires, 0 when it is not armed
	nextPurge int64 // not before this time
	watchers  []*watcher
	out       []effect // reused by every step
}

// committed is the input that says that batch n and all before it are durable.
type committed struct{ n uint64 }

// newMachine returns the machine of a namespace that does not exist before its first put.
func newMachine(id uint64, name string, limits Limits, room, pendingBytes *account) *machine {
	return &machine{
		id: id, name: name, limits: limits, life: 1, room: room, pendingBytes: pendingBytes, creation: 1,
		pairs: map[string]*pair{}, pending: map[uint64]*batch{}, pendingKeys: map[string]uint64{},
	}
}

// restore takes over the contents of the ledger, and returns the first effects. Values that
// expired meanwhile are purged as usual.
func (m *machine) restore(now time.Time, held *contents, life int) []effect {
	// A revision that a crash undid, or that was deleted, must never be used again.
	m.creation, m.life, m.last = 0, life, uint64(max(now.UnixMicro(), 0))
	slices.SortFunc(held.pairs, func(a, b *pair) int { return cmp.Compare(a.since, b.since) })
	for _, p := range held.pairs {
		m.pairs[p.key] = p
		m.bytes += p.cost()
		m.last = max(m.last, p.revision)
		if p.until != 0 {
			m.due.set(p, p.until)
		}
	}
	m.room.set(m.size())
	m.pendingBytes.set(0)
	m.do(tell{messages.NamespaceStarted{ID: m.id, Life: life}})
	m.wake(now)
	return m.out
}

// size is the part of the store's budget that the namespace takes, in bytes.
func (m *machine) size() int64 { return namespaceCost(m.name) + m.bytes }

// handle processes one input. The result is valid until the next call.
func (m *machine) handle(now time.Time, input any) []effect {
	clear(m.out)
	m.out = m.out[:0]
	if m.deleting {
		m.handleDeleting(input)
		return m.out
	}
	switch in := input.(type) {
	case messages.PutValue:
		m.put(now, in)
	case messages.GetValue:
		m.get(now, in)
	case messages.DeleteValue:
		m.remove(now, in)
	case messages.ListKeys:
		m.list(now, in)
	case messages.DeleteNamespace:
		m.end(in)
	case messages.WatchNamespace:
		m.watch(in)
	case messages.ConfirmChanges:
		m.confirm(in)
	case messages.EndWatch:
		m.unwatch(in.Watcher)
	case messages.ExpiryDue:
		m.expiryDue(now, in)
	case committed:
		m.completeThrough(in.n)
	}
	m.commitBatch()
	m.wake(now)
	return m.out
}

// handleDeleting is handle for a namespace that is being deleted.
func (m *machine) handleDeleting(input any) {
	if in, ok := input.(committed); ok {
		m.completeThrough(in.n)
		return
	}
	m.refuse(input, errGone)
}

func (m *machine) do(e effect) { m.out = append(m.out, e) }

func (m *machine) refuse(command any, why messages.Failure) {
	if answer, ok := refusal(command, why); ok {
		m.do(answer)
	}
}

// put stores a value if its condition holds and there is room.
func (m *machine) put(now time.Time, in messages.PutValue) {
	p := m.current(now, in.Key)
	if !holds(in.If, p) {
		m.refuseAfter(m.dependsOn(in.Key), in, errConflict)
		return
	}
	if why := m.makeRoom(now, in, p); why.Failed() {
		m.refuse(in, why)
		return
	}
	revision, created := m.next(now), p == nil
	if !created {
		m.uncache(p)
	} else {
		p = &pair{key: in.Key, since: revision, index: -1}
		m.pairs[in.Key] = p
		m.bytes += p.cost()
	}
	m.bytes += pairCost(in.Key, in.Value) - p.cost()
	p.value, p.revision = in.Value, revision
	m.due.set(p, endOf(now, in.TTL))
	m.record(journal.Op{Bucket: bucketValue, Key: valueKey(m.id, in.Key), Value: encodeValue(p)}, messages.ValueChanged{
		Namespace: m.name, Key: in.Key, Change: messages.ChangePut, Value: in.Value, TTL: max(in.TTL, 0), Revision: revision, At: now,
	})
	m.answer(reply{opPut, in.ReplyTo, messages.PutValueReply{Revision: revision, Created: created}, messages.FailureNone})
}

// endOf returns the last moment of a value with the given time to live, in microseconds
// since 1970; 0 means never.
func endOf(now time.Time, ttl time.Duration) int64 {
	if ttl <= 0 {
		return 0
	}
	return now.UnixMicro() + max(min(ttl, messages.LongestTTL).Microseconds(), 1)
}

// makeRoom reserves the memory for a put, or returns why that is impossible.
func (m *machine) makeRoom(now time.Time, in messages.PutValue, p *pair) messages.Failure {
	cost, before := pairCost(in.Key, in.Value), int64(0)
	if p != nil {
		before = p.cost()
	}
	switch {
	case p == nil && m.full(now):
		return errNamespaceFull
	case !m.pendingBytes.resize(m.pendingBytes.used + cost):
		return errBusy
	case !m.grow(now, cost-before):
		m.pendingBytes.set(m.pendingBytes.used - cost)
		return errStoreFull
	}
	m.openBatch().bytes += cost
	return messages.Failure{}
}

// full reports whether another key does not fit even after purging expired ones.
func (m *machine) full(now time.Time) bool {
	if len(m.pairs) >= m.limits.Keys {
		m.purge(now, purgeAtOnce)
	}
	return len(m.pairs) >= m.limits.Keys
}

// grow takes n bytes from the budget of the store, purging expired values if necessary.
func (m *machine) grow(now time.Time, n int64) bool {
	return m.room.resize(m.size()+n) || m.purge(now, purgeAtOnce) && m.room.resize(m.size()+n)
}

// holds reports whether a pair, nil for none, meets a condition.
func holds(c messages.Condition, p *pair) bool {
	switch c.Kind {
	case messages.IfAbsent:
		return p == nil
	case messages.IfRevision:
		return p != nil && p.revision == c.Revision
	default:
		return true
	}
}

// remove deletes a key.
func (m *machine) remove(now time.Time, in messages.DeleteValue) {
	p := m.current(now, in.Key)
	switch {
	case !holds(in.If, p):
		m.refuseAfter(m.dependsOn(in.Key), in, errConflict)
	case p == nil:
		m.refuseAfter(m.dependsOn(in.Key), in, errNoKey)
	case !m.pendingBytes.resize(m.pendingBytes.used + keyOverhead):
		m.refuse(in, errBusy)
	default:
		m.openBatch().bytes += keyOverhead
		m.drop(p)
		m.record(removal(m.id, in.Key), messages.ValueChanged{
			Namespace: m.name, Key: in.Key, Change: messages.ChangeDeleted, Revision: m.next(now), At: now,
		})
		m.answer(reply{opDelete, in.ReplyTo, messages.DeleteValueReply{}, messages.FailureNone})
	}
}

// get replies with a value.
func (m *machine) get(now time.Time, in messages.GetValue) {
	p := m.pairs[in.Key]
	if p == nil || p.hasExpired(now.UnixMicro()) {
		m.after(m.dependsOn(in.Key), in, reply{opGet, in.ReplyTo, messages.GetValueReply{}, messages.FailureNotFound})
		return
	}
	it := cachedValue{p.value, p.revision, p.until}
	depends := m.dependsOn(in.Key)
	if _, waits := m.pending[depends]; !waits {
		p.cached = true
		m.do(cachePut{p.key, it})
	}
	m.after(depends, in, reply{opGet, in.ReplyTo, it.found(now.UnixMicro()), messages.FailureNone})
}

// uncache removes a value that is about to change from the read cache.
func (m *machine) uncache(p *pair) {
	if p.cached {
		p.cached = false
		m.do(cacheRemove{p.key})
	}
}

// list replies with the keys in the order of their creation.
func (m *machine) list(now time.Time, in messages.ListKeys) {
	alive := make([]*pair, 0, len(m.pairs))
	for _, p := range m.pairs {
		if !p.hasExpired(now.UnixMicro()) {
			alive = append(alive, p)
		}
	}
	slices.SortFunc(alive, func(a, b *pair) int { return cmp.Compare(a.since, b.since) })
	keys := make([]string, len(alive))
	for i, p := range alive {
		keys[i] = p.key
	}
	m.after(m.written, in, reply{opList, in.ReplyTo, messages.ListKeysReply{Keys: keys}, messages.FailureNone})
}

// current returns the pair of a key, or nil. It removes the pair first if it is expired.
func (m *machine) current(now time.Time, key string) *pair {
	p := m.pairs[key]
	if p != nil && p.hasExpired(now.UnixMicro()) {
		m.expire(now, p)
		m.do(expired{1})
		return nil
	}
	return p
}

// next returns a new revision.
func (m *machine) next(now time.Time) uint64 {
	m.last = max(m.last+1, uint64(max(now.UnixMicro(), 0)))
	return m.last
}

// expiryDue purges expired values. It ignores a timer that was replaced meanwhile.
func (m *machine) expiryDue(now time.Time, in messages.ExpiryDue) {
	if in.At.UnixMicro() != m.armed {
		return
	}
	m.armed = 0
	m.purge(now, purgeAtOnce)
}

// purge removes up to n expired values, and reports whether there were any.
func (m *machine) purge(now time.Time, n int) bool {
	at, count := now.UnixMicro(), 0
	for ; count < n && m.openBatch().removed < removeAtOnce && len(m.due) > 0 && m.due[0].hasExpired(at); count++ {
		m.expire(now, m.due[0])
	}
	if len(m.due) == 0 || !m.due[0].hasExpired(at) {
		m.nextPurge = at + purgePace.Microseconds()
	}
	if count > 0 {
		m.do(expired{count})
	}
	return count > 0
}

// expire removes an expired value. No answer has to wait for the commit, because after a
// crash the value is expired as well.
func (m *machine) expire(now time.Time, p *pair) {
	m.drop(p)
	b := m.openBatch()
	b.ops = append(b.ops, removal(m.id, p.key))
	b.removed += len(p.key) + removalOverhead
	b.changes = append(b.changes, messages.ValueChanged{
		Namespace: m.name, Key: p.key, Change: messages.ChangeExpired, Revision: m.next(now), At: now,
	})
}

// drop removes a pair from memory.
func (m *machine) drop(p *pair) {
	m.uncache(p)
	m.due.set(p, 0)
	delete(m.pairs, p.key)
	m.bytes -= p.cost()
	m.room.set(m.size())
}

func removal(id uint64, key string) journal.Op {
	return journal.Op{Bucket: bucketValue, Key: valueKey(id, key)}
}

// wake arms the timer for the next expiry, unless it fires early enough already.
func (m *machine) wake(now time.Time) {
	if len(m.due) == 0 || m.deleting {
		return
	}
	at := max(m.due[0].until+1, m.nextPurge, now.UnixMicro())
	if m.armed == 0 || at < m.armed {
		m.armed = at
		m.do(arm{time.UnixMicro(at)})
	}
}

// end deletes the namespace: first its name, which makes all of its values invisible,
// and the values once that is durable.
func (m *machine) end(in messages.DeleteNamespace) {
	m.deleting = true
	m.do(cacheRemoveAll{})
	b := m.openBatch()
	b.ops = append(b.ops, journal.Op{Bucket: bucketNamespace, Key: namespaceKey(m.id)})
	b.last = true
	m.answer(reply{opDeleteNamespace, in.ReplyTo, messages.DeleteNamespaceReply{}, messages.FailureNone})
}

// finishDeletion cleans up once the deletion is durable.
func (m *machine) finishDeletion() {
	m.endWatches(messages.WatchDeleted)
	keys := make([]string, 0, len(m.pairs))
	for key := range m.pairs {
		keys = append(keys, valueKey(m.id, key))
	}
	slices.SortFunc(keys, strings.Compare)
	for _, some := range removals(keys) {
		m.do(some)
	}
	clear(m.pairs)
	m.due, m.bytes = nil, 0
	m.room.set(0)
	m.do(tell{messages.NamespaceEnded{ID: m.id}})
}
