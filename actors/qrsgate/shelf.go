package qrsgate

import (
	"sync"
	"time"

	"butler/messages"
)

// shelfLife is the maximum age of an answer on the shelf: enough for a burst of events.
const shelfLife = 5 * time.Second

// From the age of shelfRenew on, one asker every renewEvery is sent to the gate, which
// renews the answer. An answer without the owner of its app is renewed from the
// beginning, because the owner may be known by now.
const (
	shelfRenew = shelfLife / 2
	renewEvery = shelfLife / 10
)

// shelved is an answer, with the time when it was added or last sent for renewal.
type shelved struct {
	reply   messages.LookupTaskReply
	renewed time.Time
}

func (s *shelved) lacksOwner() bool { return s.reply.App.OwnerID != "" && !s.reply.Owner.Known }

// Shelf holds recent answers of the gate about tasks, which others can read without
// sending a message. It is safe for concurrent use.
type Shelf struct {
	metrics *Metrics

	mu      sync.Mutex
	answers *cache
	since   time.Time // older answers are those of another QRS
}

// NewShelf returns an empty shelf for as many tasks as the gate caches.
func NewShelf(rules Rules, metrics *Metrics) *Shelf {
	return &Shelf{metrics: metrics, answers: newCache(rules.withDefaults().CacheSize)}
}

// put adds an answer. It does nothing on a nil shelf.
func (s *Shelf) put(reply messages.LookupTaskReply) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers.put(cachedAnswer{key: keyOf(opTask, reply.TaskID), value: &shelved{reply: reply, renewed: reply.At}, at: reply.At})
}

// clear removes answers from before now. It does nothing on a nil shelf.
func (s *Shelf) clear(now time.Time) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since = now
}

// Task returns the answer of the gate if it is on the shelf. The answer is shared and
// frozen; its Attempt is that of another asker.
//
// From time to time it returns none although there is one, so that the asker goes to the
// gate and the answer is renewed before it is too old for everybody.
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
