package outbox

import (
	"container/list"

	"butler/messages"
)

// entry is a decoded alert with what belongs to it.
type entry struct {
	alert *messages.Alert // frozen
	// attachment is only meaningful when attached.
	attachment string
	attached   bool
}

// cost is about what an entry takes in memory.
func (e *entry) cost() int {
	size := 4096 + len(e.attachment)
	for _, lines := range [][]string{e.alert.ScriptLog.Head, e.alert.ScriptLog.Tail} {
		for _, line := range lines {
			size += len(line) + 16
		}
	}
	return size
}

// cache keeps the entries used last, up to a bound of bytes. Its owner locks.
type cache struct {
	limit, size int
	order       *list.List // of *entry, used last in front
	byID        map[messages.AlertID]*list.Element
}

func newCache(limit int) *cache {
	return &cache{limit: limit, order: list.New(), byID: map[messages.AlertID]*list.Element{}}
}

func (c *cache) get(id messages.AlertID) (entry, bool) {
	at, ok := c.byID[id]
	if !ok {
		return entry{}, false
	}
	c.order.MoveToFront(at)
	return *at.Value.(*entry), true
}

func (c *cache) put(e entry) {
	c.remove(e.alert.ID)
	c.byID[e.alert.ID] = c.order.PushFront(&e)
	c.size += e.cost()
	for c.size > c.limit && c.order.Len() > 1 {
		c.remove(c.order.Back().Value.(*entry).alert.ID)
	}
}

func (c *cache) remove(id messages.AlertID) {
	at, ok := c.byID[id]
	if !ok {
		return
	}
	delete(c.byID, id)
	c.size -= c.order.Remove(at).(*entry).cost()
}
