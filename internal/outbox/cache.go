package outbox

import (
	"container/list"

	"butler/messages"
)

// entry is a cached alert. It is immutable, except for used: to decode it or to add an
// attachment, it is replaced by a new entry.
type entry struct {
	id messages.AlertID
	// raw is the durable form of the alert, as long as it is not decoded.
	raw   []byte
	alert *messages.Alert // frozen; nil as long as it is not decoded
	// used means that the entry has been read. Only the cache uses it.
	used bool
	// attachment is only valid if attached is set.
	attachment string
	attached   bool
}

// The approximate size of an entry without its texts, and the addition for a decoded one,
// in bytes.
const (
	entryCost   = 512
	decodedCost = 4096
)

// cost returns the approximate size of an entry, in bytes.
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

// cache keeps alerts up to a number of bytes. Used ones come first, beginning with the
// most recently used, then those that were not used yet, in the order of recording. So if
// a backlog does not fit, the alerts that are sent next are cached, and those recorded
// last have to be read from disk. It is not safe for concurrent use.
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

// full reports whether there is no room for an alert that was not used yet, because of
// earlier ones that were not used either.
func (c *cache) full() bool {
	return c.size >= c.limit && !c.order.Back().Value.(*entry).used
}

// record replaces the entry of an alert that was just recorded. A nil e, or one without
// room, only removes the earlier entry.
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

// put adds or replaces an entry that is being used.
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
