package qrsgate

import (
	"container/list"
	"time"
)

// cache is an LRU cache of answers. It has no expiry: the caller decides whether an
// answer is recent enough.
type cache struct {
	capacity int
	byKey    map[key]*list.Element
	order    *list.List // most recently used in front
}

// cachedAnswer is an answer of the QRS in the cache.
type cachedAnswer struct {
	key   key
	value any // nil when the QRS said that there is none
	at    time.Time
}

func newCache(capacity int) *cache {
	return &cache{capacity: capacity, byKey: map[key]*list.Element{}, order: list.New()}
}

func (c *cache) get(k key) (cachedAnswer, bool) {
	element, ok := c.byKey[k]
	if !ok {
		return cachedAnswer{}, false
	}
	c.order.MoveToFront(element)
	return element.Value.(cachedAnswer), true
}

func (c *cache) put(entry cachedAnswer) {
	if element, ok := c.byKey[entry.key]; ok {
		if !entry.at.Before(element.Value.(cachedAnswer).at) {
			element.Value = entry
		}
		c.order.MoveToFront(element)
		return
	}
	c.byKey[entry.key] = c.order.PushFront(entry)
	if c.order.Len() > c.capacity {
		oldest := c.order.Back()
		delete(c.byKey, oldest.Value.(cachedAnswer).key)
		c.order.Remove(oldest)
	}
}
