package journal

import (
	"container/list"
	"sync"
)

// cacheBytes bounds the decoded records that a ledger keeps in memory.
const cacheBytes = 8 << 20

// recordCache keeps the most recently used records, up to limit bytes. It is safe for
// concurrent use.
type recordCache struct {
	limit int

	mu    sync.Mutex
	size  int
	order *list.List // of cachedRecord, most recently used first
	bySeq map[Seq]*list.Element
}

type cachedRecord struct {
	seq     Seq
	content recordContent
	size    int
}

func newRecordCache(limit int) recordCache {
	return recordCache{limit: limit, order: list.New(), bySeq: map[Seq]*list.Element{}}
}

func (c *recordCache) get(seq Seq) (recordContent, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.bySeq[seq]
	if !ok {
		return recordContent{}, false
	}
	c.order.MoveToFront(e)
	return e.Value.(cachedRecord).content, true
}

// put adds a record and evicts the least recently used ones until the cache is within
// its limit. A record larger than the whole cache is not kept.
func (c *recordCache) put(seq Seq, content recordContent) {
	r := cachedRecord{seq: seq, content: content, size: content.size()}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.bySeq[seq]; ok || r.size > c.limit {
		return
	}
	c.bySeq[seq] = c.order.PushFront(r)
	for c.size += r.size; c.size > c.limit; {
		oldest := c.order.Remove(c.order.Back()).(cachedRecord)
		delete(c.bySeq, oldest.seq)
		c.size -= oldest.size
	}
}
