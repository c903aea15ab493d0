package qrsgate

import (
	"sync"
	"time"

	"butler/messages"
)

// shelfLife is how much older an answer from the shelf may be than one from the
// gate itself: long enough to serve a burst of events, and no more.
const shelfLife = time.Second

// Shelf holds what the gate has just answered from memory about tasks, for
// others to look at without a message each. It is safe for concurrent use.
type Shelf struct {
	metrics *Metrics

	mu      sync.Mutex
	answers *cache
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
	s.answers.put(copyOf{key: keyOf(opTask, reply.TaskID), value: reply, at: reply.At})
}

// Task answers as the gate would, when it can.
func (s *Shelf) Task(q messages.LookupTask, now time.Time) (messages.LookupTaskReply, bool) {
	if q.MaxAge <= 0 {
		return messages.LookupTaskReply{}, false
	}
	s.mu.Lock()
	known, ok := s.answers.get(keyOf(opTask, q.TaskID))
	s.mu.Unlock()
	if !ok || now.Sub(known.at) > min(shelfLife, q.MaxAge) {
		return messages.LookupTaskReply{}, false
	}
	s.metrics.cache(countCache{opTask, cacheHit})
	reply := known.value.(messages.LookupTaskReply)
	reply.TaskID, reply.Attempt = q.TaskID, q.Attempt
	return reply, true
}
