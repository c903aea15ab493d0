package qrsgate

import (
	"sync"
	"time"

	"butler/messages"
)

// readCacheMaxAge is the maximum age of an answer: enough for a burst of events.
const readCacheMaxAge = 5 * time.Second

// From the age of renewAfter on, one asker every renewEvery is sent to the gate, which
// renews the answer. An answer without the owner of its app is renewed from the
// beginning, because the owner may be known by now.
const (
	renewAfter = readCacheMaxAge / 2
	renewEvery = readCacheMaxAge / 10
)

// sharedAnswer is an answer, with the time when it was added or last sent for renewal.
type sharedAnswer struct {
	reply   messages.LookupTaskReply
	renewed time.Time
}

func (a *sharedAnswer) lacksOwner() bool { return a.reply.App.OwnerID != "" && !a.reply.Owner.Known }

// ReadCache holds recent answers of the gate about tasks, which others can read without
// sending a message. It is safe for concurrent use.
type ReadCache struct {
	metrics *Metrics

	mu      sync.Mutex
	answers *cache
	since   time.Time // older answers are those of another QRS
}

// NewReadCache returns an empty cache for as many tasks as the gate caches.
func NewReadCache(rules Rules, metrics *Metrics) *ReadCache {
	return &ReadCache{metrics: metrics, answers: newCache(rules.withDefaults().CacheSize)}
}

// put adds an answer. It does nothing on a nil cache.
func (c *ReadCache) put(reply messages.LookupTaskReply) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers.put(cachedAnswer{key: keyOf(opTask, reply.TaskID), value: &sharedAnswer{reply: reply, renewed: reply.At}, at: reply.At})
}

// clear removes answers from before now. It does nothing on a nil cache.
func (c *ReadCache) clear(now time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since = now
}

// Task returns the answer of the gate if it is in the cache. The answer is shared and
// frozen; its Attempt is that of another asker.
//
// From time to time it returns none although there is one, so that the asker goes to the
// gate and the answer is renewed before it is too old for everybody.
func (c *ReadCache) Task(q messages.LookupTask, now time.Time) (*messages.LookupTaskReply, bool) {
	if q.MaxAge <= 0 {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.answers.get(keyOf(opTask, q.TaskID))
	if !ok || known.at.Before(c.since) || now.Sub(known.at) > min(readCacheMaxAge, q.MaxAge) {
		return nil, false
	}
	it := known.value.(*sharedAnswer)
	if (now.Sub(known.at) > renewAfter || it.lacksOwner()) && now.Sub(it.renewed) > renewEvery {
		it.renewed = now
		return nil, false
	}
	c.metrics.cache(countCache{opTask, cacheHit})
	return &it.reply, true
}
