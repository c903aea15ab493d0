package kv

import (
	"sync"
	"time"

	"butler/messages"
)

// ReadCache holds values that were read, so that they can be read again without a
// message to their namespace. A value is only there while it is on disk and no change of
// it has begun: its namespace removes it before it commits a change, so before that is
// visible to anybody. After a miss, send the command to the actor. A ReadCache is safe
// for concurrent use.
type ReadCache struct {
	metrics *Metrics

	mu     sync.RWMutex
	spaces map[string]map[string]cachedValue
}

// cachedValue is the part of a pair that answers a get. It never changes.
type cachedValue struct {
	value    string
	revision uint64
	until    int64 // as in pair
}

// NewReadCache returns an empty cache.
func NewReadCache(metrics *Metrics) *ReadCache {
	return &ReadCache{metrics: metrics, spaces: map[string]map[string]cachedValue{}}
}

// Get returns the answer that the store would give at that moment, or false. A nil cache
// always returns false.
func (c *ReadCache) Get(in messages.GetValue, now time.Time) (messages.GetValueReply, bool) {
	if c == nil {
		return messages.GetValueReply{}, false
	}
	c.mu.RLock()
	it, ok := c.spaces[in.Namespace][in.Key]
	c.mu.RUnlock()
	at := now.UnixMicro()
	if !ok || hasExpired(it.until, at) {
		return messages.GetValueReply{}, false
	}
	c.metrics.answered(opGet, messages.FailureNone)
	return it.found(at), true
}

// found returns the answer for a value that has not expired.
func (v cachedValue) found(now int64) messages.GetValueReply {
	reply := messages.GetValueReply{Found: true, Value: v.value, Revision: v.revision}
	if v.until != 0 { // the TTL must not be 0, which means forever
		reply.TTL = time.Duration(max(v.until-now, 1)) * time.Microsecond
	}
	return reply
}

func (c *ReadCache) put(namespace, key string, v cachedValue) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pairs, ok := c.spaces[namespace]
	if !ok {
		pairs = map[string]cachedValue{}
		c.spaces[namespace] = pairs
	}
	pairs[key] = v
}

func (c *ReadCache) remove(namespace, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pairs := c.spaces[namespace]
	delete(pairs, key)
	if len(pairs) == 0 {
		delete(c.spaces, namespace)
	}
}

func (c *ReadCache) removeAll(namespace string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.spaces, namespace)
}
