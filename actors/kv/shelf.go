package kv

import (
	"sync"
	"time"

	"butler/messages"
)

// Shelf is a read cache: it holds values that were read, so that they can be read
// again without a message to their namespace. A value is only there while it is on
// disk and no change of it has begun: its namespace removes it before it commits a
// change, so before that is visible to anybody. After a miss, send the command to the
// actor. A Shelf is safe for concurrent use.
type Shelf struct {
	metrics *Metrics

	mu     sync.RWMutex
	spaces map[string]map[string]shelved
}

// shelved is the part of a pair that answers a get. It never changes.
type shelved struct {
	value    string
	revision uint64
	until    int64 // as in pair
}

// NewShelf returns an empty shelf.
func NewShelf(metrics *Metrics) *Shelf {
	return &Shelf{metrics: metrics, spaces: map[string]map[string]shelved{}}
}

// Get returns the answer that the store would give at that moment, or false. A nil shelf
// always returns false.
func (s *Shelf) Get(in messages.GetValue, now time.Time) (messages.GetValueReply, bool) {
	if s == nil {
		return messages.GetValueReply{}, false
	}
	s.mu.RLock()
	it, ok := s.spaces[in.Namespace][in.Key]
	s.mu.RUnlock()
	at := now.UnixMicro()
	if !ok || dead(it.until, at) {
		return messages.GetValueReply{}, false
	}
	s.metrics.answered(opGet, messages.FailureNone)
	return it.found(at), true
}

// found returns the answer for a value that has not expired.
func (v shelved) found(now int64) messages.GetValueReply {
	reply := messages.GetValueReply{Found: true, Value: v.value, Revision: v.revision}
	if v.until != 0 { // the TTL must not be 0, which means forever
		reply.TTL = time.Duration(max(v.until-now, 1)) * time.Microsecond
	}
	return reply
}

func (s *Shelf) put(namespace, key string, v shelved) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pairs, ok := s.spaces[namespace]
	if !ok {
		pairs = map[string]shelved{}
		s.spaces[namespace] = pairs
	}
	pairs[key] = v
}

func (s *Shelf) remove(namespace, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pairs := s.spaces[namespace]
	delete(pairs, key)
	if len(pairs) == 0 {
		delete(s.spaces, namespace)
	}
}

func (s *Shelf) removeAll(namespace string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.spaces, namespace)
}
