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
	// maxHeld bounds the answers that wait for the disk, in one namespace.
	maxHeld = 4096
)

// machine decides everything about the values of one namespace. It is pure: it gets
// the time and one input, updates itself and returns effects, in order. It shares only
// its two accounts, which outlive it.
//
// A change is made in memory at once and committed in a flight; flights are committed
// in order. Whatever reveals the change is delayed until its flight is durable: the
// answer to the caller, reads of the key, and the messages to watchers. So conditions
// are checked against the latest state, and no state is visible that a crash could undo.
type machine struct {
	id     uint64
	name   string
	limits Limits
	life   int
	room   *account // bytes that are stored
	flying *account // bytes in flights that are not durable yet

	pairs map[string]*pair
	due   expiries
	bytes int64
	// last is the latest revision. A revision is the time in microseconds since 1970,
	// or one more than the last, so that none is used twice, even after a restart.
	last uint64

	flights map[uint64]*flight
	draft   *flight // collects the changes of the current step
	issued  uint64  // the latest flight
	landed  uint64  // the latest durable flight, at most issued
	written uint64  // the latest flight with a put or delete, not only expiries
	birth   uint64  // the flight that creates the namespace, 0 when it is on disk
	unsure  map[string]uint64
	held    int
	over    bool // the namespace is deleted, or being deleted

	armed    int64 // when the timer fires, 0 when it is not armed
	rest     int64 // no purge before this time
	watchers []*watcher
	out      []effect // reused by every step
}

// flight holds the changes of one commit, and the answers that wait for it.
type flight struct {
	ops     []journal.Op
	keys    []string
	changes []messages.ValueChanged
	answers []reply
	bytes   int64
	removed int  // bytes of expired keys
	last    bool // nothing is left of the namespace after it

	// single is memory for the most common flight, one change and its answer. It spares
	// the slices above an allocation each.
	single struct {
		op     [1]journal.Op
		key    [1]string
		change [1]messages.ValueChanged
		answer [1]reply
	}
}

func newFlight() *flight {
	f := &flight{}
	f.ops, f.keys, f.changes, f.answers = f.single.op[:0], f.single.key[:0], f.single.change[:0], f.single.answer[:0]
	return f
}

// committed is the input that says that flight n and all before it are durable.
type committed struct{ n uint64 }

// newMachine returns the machine of a namespace that does not exist before its first put.
func newMachine(id uint64, name string, limits Limits, room, flying *account) *machine {
	return &machine{
		id: id, name: name, limits: limits, life: 1, room: room, flying: flying, birth: 1,
		pairs: map[string]*pair{}, flights: map[uint64]*flight{}, unsure: map[string]uint64{},
	}
}

// restore takes over the contents of the ledger, and returns the first effects. Values that
// expired meanwhile are purged as usual.
func (m *machine) restore(now time.Time, held *contents, life int) []effect {
	// A revision that a crash undid, or that was deleted, must never be used again.
	m.birth, m.life, m.last = 0, life, uint64(max(now.UnixMicro(), 0))
	slices.SortFunc(held.pairs, func(a, b *pair) int { return cmp.Compare(a.since, b.since) })
	for _, p := range held.pairs {
		m.pairs[p.key] = p
		m.bytes += p.cost()
		m.last = max(m.last, p.revision)
		if p.until != 0 {
			m.due.set(p, p.until)
		}
	}
	m.room.settle(m.size())
	m.flying.settle(0)
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
	if m.over {
		m.handleOver(input)
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
		m.land(in.n)
	}
	m.launch()
	m.wake(now)
	return m.out
}

// handleOver is handle for a namespace that is being deleted.
func (m *machine) handleOver(input any) {
	if in, ok := input.(committed); ok {
		m.land(in.n)
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
		m.unshelve(p)
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
	case !m.flying.resize(m.flying.paid + cost):
		return errBusy
	case !m.grow(now, cost-before):
		m.flying.settle(m.flying.paid - cost)
		return errStoreFull
	}
	m.draftNow().bytes += cost
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
	case !m.flying.resize(m.flying.paid + keyOverhead):
		m.refuse(in, errBusy)
	default:
		m.draftNow().bytes += keyOverhead
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
	if p == nil || p.dead(now.UnixMicro()) {
		m.after(m.dependsOn(in.Key), in, reply{opGet, in.ReplyTo, messages.GetValueReply{}, messages.FailureNotFound})
		return
	}
	it := shelved{p.value, p.revision, p.until}
	depends := m.dependsOn(in.Key)
	if _, waits := m.flights[depends]; !waits {
		p.onShelf = true
		m.do(shelve{p.key, it})
	}
	m.after(depends, in, reply{opGet, in.ReplyTo, it.found(now.UnixMicro()), messages.FailureNone})
}

// unshelve removes a value that is about to change from the shelf.
func (m *machine) unshelve(p *pair) {
	if p.onShelf {
		p.onShelf = false
		m.do(unshelve{p.key})
	}
}

// list replies with the keys in the order of their creation.
func (m *machine) list(now time.Time, in messages.ListKeys) {
	alive := make([]*pair, 0, len(m.pairs))
	for _, p := range m.pairs {
		if !p.dead(now.UnixMicro()) {
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
	if p != nil && p.dead(now.UnixMicro()) {
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
	for ; count < n && m.draftNow().removed < removeAtOnce && len(m.due) > 0 && m.due[0].dead(at); count++ {
		m.expire(now, m.due[0])
	}
	if len(m.due) == 0 || !m.due[0].dead(at) {
		m.rest = at + purgePace.Microseconds()
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
	f := m.draftNow()
	f.ops = append(f.ops, removal(m.id, p.key))
	f.removed += len(p.key) + removalOverhead
	f.changes = append(f.changes, messages.ValueChanged{
		Namespace: m.name, Key: p.key, Change: messages.ChangeExpired, Revision: m.next(now), At: now,
	})
}

// drop removes a pair from memory.
func (m *machine) drop(p *pair) {
	m.unshelve(p)
	m.due.set(p, 0)
	delete(m.pairs, p.key)
	m.bytes -= p.cost()
	m.room.settle(m.size())
}

func removal(id uint64, key string) journal.Op {
	return journal.Op{Bucket: bucketValue, Key: valueKey(id, key)}
}

// wake arms the timer for the next expiry, unless it fires early enough already.
func (m *machine) wake(now time.Time) {
	if len(m.due) == 0 || m.over {
		return
	}
	at := max(m.due[0].until+1, m.rest, now.UnixMicro())
	if m.armed == 0 || at < m.armed {
		m.armed = at
		m.do(arm{time.UnixMicro(at)})
	}
}

// end deletes the namespace: first its name, which makes all of its values invisible,
// and the values once that is durable.
func (m *machine) end(in messages.DeleteNamespace) {
	m.over = true
	m.do(unshelveAll{})
	f := m.draftNow()
	f.ops = append(f.ops, journal.Op{Bucket: bucketNamespace, Key: namespaceKey(m.id)})
	f.last = true
	m.answer(reply{opDeleteNamespace, in.ReplyTo, messages.DeleteNamespaceReply{}, messages.FailureNone})
}

// bury cleans up once the deletion is durable.
func (m *machine) bury() {
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
	m.room.settle(0)
	m.do(tell{messages.NamespaceEnded{ID: m.id}})
}
