package kv

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"butler/internal/journal"
	"butler/internal/outbox/outboxtest"
	"butler/messages"
)

// world runs the directory and the machines of its namespaces without actors, on a
// ledger whose commits become durable only when the test says so.
type world struct {
	tb           rapid.TB
	now          time.Time
	limits       Limits
	ledger       *outboxtest.Ledger
	room         *budget
	pendingBytes *budget
	dir          *directory
	spaces       map[uint64]*machine
	accounts     map[uint64]*namespaceState
	timers       map[uint64]time.Time
	cache        *ReadCache
	asked        int
	got          map[string]any // by the ID of the address they were sent to
	told         []any          // messages to watchers
	expired      int
	issued       int // commits
	released     int
	onAnswer     func(to string, message any)
	onCommit     func(ops []journal.Op)
}

// start is a Tuesday.
var start = time.Date(2031, 3, 4, 9, 0, 0, 0, time.UTC)

func newWorld(tb rapid.TB, limits Limits) *world {
	tb.Helper()
	w := &world{tb: tb, now: start, limits: limits.withDefaults(0), ledger: &outboxtest.Ledger{}, onAnswer: func(string, any) {}, onCommit: func([]journal.Op) {}}
	w.boot()
	return w
}

// boot starts the store from the content of the ledger.
func (w *world) boot() {
	w.ledger.Hold()
	w.room, w.pendingBytes = &budget{limit: w.limits.TotalBytes}, &budget{limit: maxPendingBytes}
	w.dir = newDirectory(w.limits, w.room, w.pendingBytes)
	w.spaces, w.accounts, w.timers = map[uint64]*machine{}, map[uint64]*namespaceState{}, map[uint64]time.Time{}
	w.got = map[string]any{}
	w.cache = NewReadCache(NewMetrics(nil))
	w.issued, w.released = 0, 0
	all, leftOver, err := loadAll(w.ledger)
	if err != nil {
		w.tb.Fatal(err)
	}
	for _, some := range removals(leftOver) {
		w.commit(nil, some)
	}
	for _, held := range all {
		w.dir.enter(held.id, held.name)
		m := w.machine(held.id, held.name, 0)
		w.perform(m, m.restore(w.now, held, 1))
	}
}

// crash ends the process: commits that were not released are lost.
func (w *world) crash() {
	w.ledger = w.ledger.Crash()
	w.boot()
}

func (w *world) machine(id uint64, name string, reserved int64) *machine {
	t := &namespaceState{id: id, name: name, room: account{w.room, reserved}, pendingBytes: account{w.pendingBytes, 0}}
	m := newMachine(id, name, w.limits, &t.room, &t.pendingBytes)
	w.spaces[id], w.accounts[id] = m, t
	return m
}

func (w *world) commit(m *machine, do commit) {
	w.issued++
	w.onCommit(do.ops)
	w.ledger.Commit(do.ops, func(error) {
		w.released++
		if do.n > 0 {
			w.step(m, committed{do.n})
		}
	})
}

func (w *world) step(m *machine, input any) { w.perform(m, m.handle(w.now, input)) }

func (w *world) direct(input any) { w.perform(nil, w.dir.handle(w.now, input)) }

func (w *world) perform(m *machine, effects []effect) {
	for _, one := range slices.Clone(effects) {
		switch do := one.(type) {
		case reply:
			w.got[do.to.ID] = do.message
			w.onAnswer(do.to.ID, do.message)
		case send:
			w.told = append(w.told, do.message)
		case cachePut:
			w.cache.put(m.name, do.key, do.value)
		case cacheRemove:
			w.cache.remove(m.name, do.key)
		case cacheRemoveAll:
			w.cache.removeAll(m.name)
		case commit:
			w.commit(m, do)
		case arm:
			w.timers[m.id] = do.at
		case tell:
			w.direct(do.message)
		case expired:
			w.expired += do.count
		case spawn:
			w.machine(do.id, do.name, do.reserved)
		case forward:
			w.step(w.spaces[do.id], do.command)
		case stop:
			delete(w.spaces, do.id)
			delete(w.timers, do.id)
		}
	}
}

// release makes the n oldest commits durable; settle does that for all of them.
func (w *world) release(n int) { w.ledger.Release(n) }

func (w *world) settle() {
	for w.ledger.Held() > 0 {
		w.release(w.ledger.Held())
	}
}

// pass advances the time; timers fire when they are due.
func (w *world) pass(d time.Duration) {
	end := w.now.Add(d)
	for {
		ids := make([]uint64, 0, len(w.timers))
		for id, at := range w.timers {
			if !at.After(end) {
				ids = append(ids, id)
			}
		}
		if len(ids) == 0 {
			break
		}
		id := slices.MinFunc(ids, func(a, b uint64) int { return cmp.Or(w.timers[a].Compare(w.timers[b]), cmp.Compare(a, b)) })
		at := w.timers[id]
		delete(w.timers, id)
		if at.After(w.now) {
			w.now = at
		}
		w.step(w.spaces[id], messages.ExpiryDue{At: at})
	}
	w.now = end
}

// ask sends a command and returns the ID of the address for its answer.
func (w *world) ask(command func(to messages.Ref) any) string {
	w.asked++
	to := messages.Ref{ID: fmt.Sprint("asker-", w.asked)}
	w.direct(command(to))
	return to.ID
}

// The following commands wait until everything is durable.

func (w *world) put(ns, key, value string, more ...func(*messages.PutValue)) messages.PutValueReply {
	w.tb.Helper()
	return answerOf[messages.PutValueReply](w, func(to messages.Ref) any {
		in := messages.PutValue{Namespace: ns, Key: key, Value: value, ReplyTo: to}
		for _, change := range more {
			change(&in)
		}
		return in
	})
}

func ttl(d time.Duration) func(*messages.PutValue) { return func(in *messages.PutValue) { in.TTL = d } }

func onlyIf(c messages.Condition) func(*messages.PutValue) {
	return func(in *messages.PutValue) { in.If = c }
}

func (w *world) get(ns, key string) messages.GetValueReply {
	w.tb.Helper()
	return answerOf[messages.GetValueReply](w, func(to messages.Ref) any {
		return messages.GetValue{Namespace: ns, Key: key, ReplyTo: to}
	})
}

func (w *world) remove(ns, key string, c messages.Condition) messages.Failure {
	w.tb.Helper()
	return answerOf[messages.DeleteValueReply](w, func(to messages.Ref) any {
		return messages.DeleteValue{Namespace: ns, Key: key, If: c, ReplyTo: to}
	}).Failure
}

func (w *world) list(ns string) messages.ListKeysReply {
	w.tb.Helper()
	return answerOf[messages.ListKeysReply](w, func(to messages.Ref) any { return messages.ListKeys{Namespace: ns, ReplyTo: to} })
}

func (w *world) namespaces() []string {
	w.tb.Helper()
	return answerOf[messages.ListNamespacesReply](w, func(to messages.Ref) any { return messages.ListNamespaces{ReplyTo: to} }).Namespaces
}

func (w *world) end(ns string) messages.Failure {
	w.tb.Helper()
	return answerOf[messages.DeleteNamespaceReply](w, func(to messages.Ref) any {
		return messages.DeleteNamespace{Namespace: ns, ReplyTo: to}
	}).Failure
}

func answerOf[R any](w *world, command func(to messages.Ref) any) R {
	w.tb.Helper()
	id := w.ask(command)
	w.settle()
	answer, ok := w.got[id].(R)
	if !ok {
		w.tb.Fatalf("want an answer of type %T, got %#v", answer, w.got[id])
	}
	return answer
}
