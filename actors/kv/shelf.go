package kv

import (
	"sync"
	"time"

	"butler/messages"
)

// Shelf holds values that somebody has asked for, for others to read without a
// message to their namespace. A value is there only while it is on disk and no
// change of it has been taken up: its namespace takes it away before that change
// goes to the disk, so before anybody is told of it. What is not there has to be
// asked for. It is safe for concurrent use.
type Shelf struct {
	metrics *Metrics

	mu     sync.RWMutex
	spaces map[string]map[string]shelved
}

// shelved is what is to be known of a pair to answer for it. It never changes.
type shelved struct {
	value    string
	revision uint64
	until    int64 // as in pair
}

// NewShelf returns an empty shelf.
func NewShelf(metrics *Metrics) *Shelf {
	return &Shelf{metrics: metrics, spaces: map[string]map[string]shelved{}}
}

// Get answers as the store would at that moment, when it can. A nil shelf cannot.
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

// found is the answer for a value that lives.
func (v shelved) found(now int64) messages.GetValueReply {
	reply := messages.GetValueReply{Found: true, Value: v.value, Revision: v.revision}
	if v.until != 0 { // never 0, which means for ever
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
