package qrsgate

import (
	"container/list"
	"time"
)

// cache keeps the newest answers, the least recently used of them going first.
// It knows no clock and no rule: who asks decides whether an answer is young enough.
type cache struct {
	capacity int
	byKey    map[key]*list.Element
	order    *list.List // most recently used in front
}

// copyOf is an answer of the QRS that may be used again.
type copyOf struct {
	key   key
	value any // nil when the QRS said that there is none
	at    time.Time
}

func newCache(capacity int) *cache {
	return &cache{capacity: capacity, byKey: map[key]*list.Element{}, order: list.New()}
}

func (c *cache) get(k key) (copyOf, bool) {
	element, ok := c.byKey[k]
	if !ok {
		return copyOf{}, false
	}
	c.order.MoveToFront(element)
	return element.Value.(copyOf), true
}

func (c *cache) put(entry copyOf) {
	if element, ok := c.byKey[entry.key]; ok {
		if !entry.at.Before(element.Value.(copyOf).at) {
			element.Value = entry
		}
		c.order.MoveToFront(element)
		return
	}
	c.byKey[entry.key] = c.order.PushFront(entry)
	if c.order.Len() > c.capacity {
		oldest := c.order.Back()
		delete(c.byKey, oldest.Value.(copyOf).key)
		c.order.Remove(oldest)
	}
}
