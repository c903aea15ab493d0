package qrsgate

import (
	"sync"
	"time"

	"butler/messages"
)

// shelfLife is how much older an answer from the shelf may be than one from the
// gate itself: long enough to serve a burst of events, and no more.
const shelfLife = 5 * time.Second

// An answer is asked for anew from the age of shelfRenew on, by one every
// renewEvery; one without the owner of its app from the beginning: the owner may be
// known by now.
const (
	shelfRenew = shelfLife / 2
	renewEvery = shelfLife / 10
)

// shelved is an answer, with when it was laid down or last asked for anew.
type shelved struct {
	reply   messages.LookupTaskReply
	renewed time.Time
}

func (s *shelved) lacksOwner() bool { return s.reply.App.OwnerID != "" && !s.reply.Owner.Known }

// Shelf holds what the gate has just answered from memory about tasks, for
// others to look at without a message each. It is safe for concurrent use.
type Shelf struct {
	metrics *Metrics

	mu      sync.Mutex
	answers *cache
	since   time.Time // older answers are those of another QRS
}

// NewShelf returns an empty shelf for as many tasks as the gate remembers.
func NewShelf(rules Rules, metrics *Metrics) *Shelf {
	return &Shelf{metrics: metrics, answers: newCache(rules.withDefaults().CacheSize)}
}

// put lays an answer on the shelf. A nil shelf takes nothing.
func (s *Shelf) put(reply messages.LookupTaskReply) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers.put(copyOf{key: keyOf(opTask, reply.TaskID), value: &shelved{reply: reply, renewed: reply.At}, at: reply.At})
}

// clear forgets what was answered before now. A nil shelf has nothing to forget.
func (s *Shelf) clear(now time.Time) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since = now
}

// Task answers as the gate would, when it can. The answer is shared and frozen:
// its attempt is that of whom the gate has told.
//
// Now and then it has none though it could, so that somebody asks the gate and
// the answer is laid down anew before it is too old for all the others.
func (s *Shelf) Task(q messages.LookupTask, now time.Time) (*messages.LookupTaskReply, bool) {
	if q.MaxAge <= 0 {
		return nil, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.answers.get(keyOf(opTask, q.TaskID))
	if !ok || known.at.Before(s.since) || now.Sub(known.at) > min(shelfLife, q.MaxAge) {
		return nil, false
	}
	it := known.value.(*shelved)
	if (now.Sub(known.at) > shelfRenew || it.lacksOwner()) && now.Sub(it.renewed) > renewEvery {
		it.renewed = now
		return nil, false
	}
	s.metrics.cache(countCache{opTask, cacheHit})
	return &it.reply, true
}
