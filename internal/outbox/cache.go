package outbox

import (
	"container/list"

	"butler/messages"
)

// entry is a cached alert. It is immutable, except for used: one that is decoded, or
// gets an attachment, is replaced by a new entry.
type entry struct {
	id messages.AlertID
	// raw is its durable form, as long as it is not decoded.
	raw   []byte
	alert *messages.Alert // frozen; nil as long as it is not decoded
	// used says that it has been read. Only the cache uses it.
	used bool
	// attachment is only meaningful when attached.
	attachment string
	attached   bool
}

// What an entry takes in memory beside its texts.
const (
	entryCost   = 512
	decodedCost = 4096
)

// cost is about what an entry takes in memory.
func (e *entry) cost() int {
	size := entryCost + len(e.raw) + len(e.attachment)
	if e.alert == nil {
		return size
	}
	size += decodedCost
	for _, lines := range [][]string{e.alert.ScriptLog.Head, e.alert.ScriptLog.Tail} {
		for _, line := range lines {
			size += len(line) + 16
		}
	}
	return size
}

// cache keeps alerts up to a number of bytes. The used ones come first, the most
// recently used in front; then those that wait for their first use, in the order of
// recording. So of a backlog that does not fit, the alerts that are sent next are
// cached, and those recorded last are read from disk when it is their turn. The
// caller locks.
type cache struct {
	limit, size int
	order       *list.List // of *entry
	byID        map[messages.AlertID]*list.Element
}

func newCache(limit int) *cache {
	return &cache{limit: limit, order: list.New(), byID: map[messages.AlertID]*list.Element{}}
}

func (c *cache) get(id messages.AlertID) (*entry, bool) {
	at, ok := c.byID[id]
	if !ok {
		return nil, false
	}
	c.order.MoveToFront(at)
	e := at.Value.(*entry)
	e.used = true
	return e, true
}

// full reports whether there is no room for an alert that waits for its first use,
// because of others that do and come before it.
func (c *cache) full() bool {
	return c.size >= c.limit && !c.order.Back().Value.(*entry).used
}

// record adds an alert that was just recorded and waits for its first use, instead of
// an earlier entry. A nil entry only removes that.
func (c *cache) record(id messages.AlertID, e *entry) {
	c.remove(id)
	if e == nil || c.full() {
		return
	}
	for c.size+e.cost() > c.limit && c.order.Len() > 0 && c.order.Back().Value.(*entry).used {
		c.drop(c.order.Back())
	}
	c.byID[id] = c.order.PushBack(e)
	c.size += e.cost()
}

// put adds an alert that is in use.
func (c *cache) put(e *entry) {
	c.remove(e.id)
	e.used = true
	c.byID[e.id] = c.order.PushFront(e)
	c.size += e.cost()
	for c.size > c.limit && c.order.Len() > 1 {
		c.drop(c.order.Back())
	}
}

func (c *cache) remove(id messages.AlertID) {
	if at, ok := c.byID[id]; ok {
		c.drop(at)
	}
}

func (c *cache) drop(at *list.Element) {
	e := c.order.Remove(at).(*entry)
	delete(c.byID, e.id)
	c.size -= e.cost()
}
