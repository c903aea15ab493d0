package kv

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"butler/messages"
)

// After any puts, gets, deletes and lists, with any delay of the disk and any crash, the
// store behaves like a map with expiring entries: neither an answer nor the read cache reveals
// a change that a crash could undo, a restart restores the state on disk, and the byte
// accounts are right.
func TestStore_isAMapThatForgetsInTimeAndSurvives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &property{world: newWorld(t, Limits{Keys: 2, Namespaces: 2}), model: model{}, base: model{}, want: map[string]expectation{}}
		p.onAnswer = func(to string, message any) { p.answered(t, to, message) }
		t.Repeat(map[string]func(*rapid.T){
			"":                 p.check,
			"put":              p.putSomething,
			"get":              p.getSomething,
			"delete":           p.deleteSomething,
			"list":             p.listSomething,
			"delete namespace": p.endSomething,
			"list namespaces": func(*rapid.T) {
				p.settleAll()
				p.expect(p.ask(func(to messages.Ref) any { return messages.ListNamespaces{ReplyTo: to} }),
					messages.ListNamespacesReply{Namespaces: p.model.names()}, 0)
			},
			"wait": func(t *rapid.T) {
				p.pass(time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond)
				p.remember()
			},
			"disk":  func(t *rapid.T) { p.release(rapid.IntRange(1, 3).Draw(t, "commits")); p.remember() },
			"crash": func(*rapid.T) { p.die() },
		})
		p.settleAll()
		for to := range p.want {
			t.Fatalf("%s was never answered", to)
		}
	})
}

// model is the expected content of the store.
type model map[string]*space

type space struct {
	order int
	pairs map[string]modelValue
	// touched is the number of the commit that last changed a key.
	touched map[string]int
}

type modelValue struct {
	value           string
	since, revision uint64
	until           time.Time
}

func (m model) clone() model {
	out := model{}
	for name, s := range m {
		out[name] = &space{s.order, maps.Clone(s.pairs), map[string]int{}}
	}
	return out
}

func (m model) names() []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Compare(m[a].order, m[b].order) })
}

// at returns the entry of a key, if it has not expired.
func (m model) at(now time.Time, ns, key string) (modelValue, bool) {
	s, ok := m[ns]
	if !ok {
		return modelValue{}, false
	}
	e, ok := s.pairs[key]
	return e, ok && (e.until.IsZero() || !now.After(e.until))
}

// expectation is an expected answer, and the commit that must be durable before it.
type expectation struct {
	message any
	commit  int
}

// property is a world together with its model.
type property struct {
	*world
	model model
	// base is the model at the last start, then[i] the model after commit i+1 since then.
	base  model
	then  []model
	want  map[string]expectation
	order int
	last  uint64
}

func (p *property) remember() {
	for len(p.then) < p.issued {
		p.then = append(p.then, p.model.clone())
	}
}

func (p *property) settleAll() {
	p.settle()
	p.remember()
}

// expect registers the expected answer to a command.
func (p *property) expect(to string, message any, commit int) {
	p.remember()
	if got, ok := p.got[to]; ok {
		if fmt.Sprint(got) != fmt.Sprint(message) || commit > p.released {
			p.tb.Fatalf("%s at %s: want %+v after commit %d, got %+v after %d", to, p.now, message, commit, got, p.released)
		}
		return
	}
	p.want[to] = expectation{message, commit}
}

func (p *property) answered(t *rapid.T, to string, message any) {
	want, ok := p.want[to]
	if !ok {
		return // an immediate answer is checked by expect
	}
	delete(p.want, to)
	if fmt.Sprint(message) != fmt.Sprint(want.message) || p.released < want.commit {
		t.Fatalf("%s: want %+v after commit %d, got %+v after %d", to, want.message, want.commit, message, p.released)
	}
}

func (p *property) draw(t *rapid.T) (ns, key string) {
	return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "namespace"), rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "key")
}

func (p *property) condition(t *rapid.T, e modelValue) messages.Condition {
	return rapid.SampledFrom([]messages.Condition{
		{}, {}, {Kind: messages.IfAbsent}, {Kind: messages.IfRevision, Revision: e.revision}, {Kind: messages.IfRevision, Revision: 7},
	}).Draw(t, "condition")
}

func (p *property) putSomething(t *rapid.T) {
	ns, key := p.draw(t)
	e, exists := p.model.at(p.now, ns, key)
	c := p.condition(t, e)
	life := time.Duration(rapid.SampledFrom([]int{-1, 0, 1, 500, 2000}).Draw(t, "ttl")) * time.Millisecond
	in := messages.PutValue{Namespace: ns, Key: key, Value: fmt.Sprint("value ", p.asked), TTL: life, If: c}
	to := p.ask(func(to messages.Ref) any { in.ReplyTo = to; return in })
	s, known := p.model[ns]
	switch {
	case known && c.Kind == messages.IfAbsent && exists, c.Kind == messages.IfRevision && (!exists || c.Revision != e.revision):
		p.expect(to, messages.PutValueReply{Failure: errConflict}, p.touched(ns, key))
	case !known && len(p.model) == 2:
		p.expect(to, messages.PutValueReply{Failure: errNamespacesFull}, 0)
	case known && !exists && p.living(ns) == 2:
		p.expect(to, messages.PutValueReply{Failure: errNamespaceFull}, 0)
	default:
		if !known {
			p.order++
			s = &space{p.order, map[string]modelValue{}, map[string]int{}}
			p.model[ns] = s
		}
		stored := p.dir.byName[ns]
		revision := p.spaces[stored.id].last
		if revision <= p.last && exists && revision <= e.revision {
			t.Fatalf("revision %d does not follow %d", revision, e.revision)
		}
		p.last = revision
		if !exists {
			e.since = revision
		}
		e.value, e.revision, e.until = in.Value, revision, time.Time{}
		if life > 0 {
			e.until = p.now.Add(life)
		}
		s.pairs[key], s.touched[key] = e, p.issued
		p.expect(to, messages.PutValueReply{Revision: revision, Created: !exists}, p.issued)
	}
}

// touched returns the commit that an answer about a key has to wait for.
func (p *property) touched(ns, key string) int {
	if s, ok := p.model[ns]; ok {
		return s.touched[key]
	}
	return 0
}

func (p *property) living(ns string) (n int) {
	for key := range p.model[ns].pairs {
		if _, ok := p.model.at(p.now, ns, key); ok {
			n++
		}
	}
	return n
}

func (p *property) getSomething(t *rapid.T) {
	ns, key := p.draw(t)
	to := p.ask(func(to messages.Ref) any { return messages.GetValue{Namespace: ns, Key: key, ReplyTo: to} })
	if _, known := p.model[ns]; !known {
		p.expect(to, messages.GetValueReply{Failure: errNoNamespace}, 0)
		return
	}
	p.expect(to, p.found(ns, key), p.touched(ns, key))
	_, cached := p.cache.Get(messages.GetValue{Namespace: ns, Key: key}, p.now)
	if _, alive := p.model.at(p.now, ns, key); cached != (alive && p.touched(ns, key) <= p.released) {
		t.Fatalf("%s/%s was asked for, changed by commit %d of %d that are durable, cached: %v", ns, key, p.touched(ns, key), p.released, cached)
	}
}

// found returns the expected answer about a key of an existing namespace.
func (p *property) found(ns, key string) messages.GetValueReply {
	e, ok := p.model.at(p.now, ns, key)
	if !ok {
		return messages.GetValueReply{}
	}
	reply := messages.GetValueReply{Found: true, Value: e.value, Revision: e.revision}
	if !e.until.IsZero() {
		reply.TTL = max(e.until.Sub(p.now), time.Microsecond)
	}
	return reply
}

// checkReadCache compares the content of the read cache with what would be answered at once.
func (p *property) checkReadCache(t *rapid.T) {
	for ns, pairs := range p.cache.spaces {
		for key := range pairs {
			got, ok := p.cache.Get(messages.GetValue{Namespace: ns, Key: key}, p.now)
			if !ok { // it has expired
				continue
			}
			if want := p.found(ns, key); got != want || p.touched(ns, key) > p.released {
				t.Fatalf("%s/%s: want %+v after commit %d, got %+v in the cache after %d", ns, key, want, p.touched(ns, key), got, p.released)
			}
		}
	}
}

func (p *property) deleteSomething(t *rapid.T) {
	ns, key := p.draw(t)
	e, exists := p.model.at(p.now, ns, key)
	c := p.condition(t, e)
	to := p.ask(func(to messages.Ref) any { return messages.DeleteValue{Namespace: ns, Key: key, If: c, ReplyTo: to} })
	_, known := p.model[ns]
	switch {
	case !known:
		p.expect(to, messages.DeleteValueReply{Failure: errNoNamespace}, 0)
	case c.Kind == messages.IfAbsent && exists, c.Kind == messages.IfRevision && (!exists || c.Revision != e.revision):
		p.expect(to, messages.DeleteValueReply{Failure: errConflict}, p.touched(ns, key))
	case !exists:
		p.expect(to, messages.DeleteValueReply{Failure: errNoKey}, p.touched(ns, key))
	default:
		delete(p.model[ns].pairs, key)
		p.model[ns].touched[key] = p.issued
		p.expect(to, messages.DeleteValueReply{}, p.issued)
	}
}

func (p *property) listSomething(t *rapid.T) {
	ns, _ := p.draw(t)
	to := p.ask(func(to messages.Ref) any { return messages.ListKeys{Namespace: ns, ReplyTo: to} })
	s, known := p.model[ns]
	if !known {
		p.expect(to, messages.ListKeysReply{Failure: errNoNamespace}, 0)
		return
	}
	keys := slices.SortedFunc(maps.Keys(s.pairs), func(a, b string) int { return cmp.Compare(s.pairs[a].since, s.pairs[b].since) })
	keys = slices.DeleteFunc(keys, func(key string) bool { _, ok := p.model.at(p.now, ns, key); return !ok })
	latest := 0
	for _, commit := range s.touched {
		latest = max(latest, commit)
	}
	p.expect(to, messages.ListKeysReply{Keys: keys}, latest)
}

// endSomething deletes a namespace; the process may crash before that is durable.
func (p *property) endSomething(t *rapid.T) {
	ns, _ := p.draw(t)
	to := p.ask(func(to messages.Ref) any { return messages.DeleteNamespace{Namespace: ns, ReplyTo: to} })
	if _, known := p.model[ns]; !known {
		p.expect(to, messages.DeleteNamespaceReply{Failure: errNoNamespace}, 0)
		return
	}
	delete(p.model, ns)
	p.expect(to, messages.DeleteNamespaceReply{}, p.issued)
	p.release(rapid.IntRange(0, 3).Draw(t, "commits"))
	p.remember()
	if rapid.Bool().Draw(t, "dies") {
		p.die()
		return
	}
	p.settleAll()
}

// die crashes and restarts the process: durable changes must be there.
func (p *property) die() {
	p.model = p.base
	if p.released > 0 {
		p.model = p.then[p.released-1]
	}
	p.base, p.then, p.want = p.model.clone(), nil, map[string]expectation{}
	p.crash()
	p.remember()
}

func (p *property) check(t *rapid.T) {
	p.checkReadCache(t)
	if p.ledger.Held() > 0 {
		return
	}
	size, values := int64(0), 0
	for _, m := range p.spaces {
		size += m.size()
		values += len(m.pairs)
		if len(m.pendingKeys) > 0 || len(m.pending) > 0 || m.waiting != 0 {
			t.Fatalf("want nothing pending, got %v, %d batches, %d answers", m.pendingKeys, len(m.pending), m.waiting)
		}
	}
	if used := p.room.used.Load(); used != size || p.pendingBytes.used.Load() != 0 {
		t.Fatalf("want %d bytes used, got %d, and %d pending", size, used, p.pendingBytes.used.Load())
	}
	if got := p.ledger.Len(bucketValue); got != values || p.ledger.Len(bucketNamespace) != len(p.spaces) {
		t.Fatalf("want %d values of %d namespaces on disk, got %d of %d", values, len(p.spaces), got, p.ledger.Len(bucketNamespace))
	}
	if got, want := fmt.Sprint(p.dir.names()), fmt.Sprint(p.model.names()); got != want {
		t.Fatalf("want namespaces %s, got %s", want, got)
	}
}
