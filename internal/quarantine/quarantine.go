// Package quarantine owns what was refused or given up: datagrams and events that no
// alert came of, for an operator to look at.
//
// It guarantees that the newest entries survive a restart, bounded in number and size,
// and that a flood of refused datagrams does not push out events that were accepted and
// given up. It must never hold up whoever puts something into it.
package quarantine

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"butler/internal/journal"
	"butler/messages"
)

const (
	// bucket holds the quarantine in the ledger.
	bucket journal.Bucket = "quarantine"
	// size is how many of the newest refused datagrams are kept, and how many
	// of the newest events that were accepted and given up. They are counted apart, so
	// that a flood of the former does not replace the latter.
	size = 1000
	// MaxRefused is how much is kept of a refused payload, in bytes.
	MaxRefused = 2 << 10
	// MaxGivenUp is how much is kept of what was accepted and given up, in bytes.
	MaxGivenUp = 64 << 10
)

// Ledger is the durable memory of the quarantine; *journal.Ledger is the one in use.
type Ledger interface {
	Commit(ops []journal.Op, done func(error))
	Range(b journal.Bucket, visit func(key string, value []byte) bool) error
}

// Quarantine keeps the newest refused datagrams, and the newest events that were
// given up, across restarts. It is safe for concurrent use.
type Quarantine struct {
	ledger  Ledger
	waiting atomic.Int64 // refused datagrams on their way to disk

	mu               sync.Mutex
	last             uint64 // the ID given last
	refused, givenUp idQueue
}

// idQueue holds the IDs of entries, the oldest in front.
type idQueue []uint64

// push adds an ID and returns those that exceed size.
func (s *idQueue) push(id uint64) (over []uint64) {
	*s = append(*s, id)
	n := max(len(*s)-size, 0)
	over, *s = (*s)[:n], (*s)[n:]
	return over
}

// Open opens the quarantine that the ledger holds.
func Open(ledger Ledger) (*Quarantine, error) {
	q := &Quarantine{ledger: ledger}
	var surplus []journal.Op
	trays := map[uint64]*idQueue{}
	err := ledger.Range(bucket, func(key string, value []byte) bool {
		id, err := strconv.ParseUint(key, 10, 64)
		if err != nil {
			surplus = append(surplus, journal.Op{Bucket: bucket, Key: key})
			return true
		}
		trays[id] = &q.refused
		var d messages.QuarantinedDatagram
		if json.Unmarshal(value, &d) == nil && d.GivenUp {
			trays[id] = &q.givenUp
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("read the quarantine: %w", err)
	}
	for _, id := range slices.Sorted(maps.Keys(trays)) {
		q.last = id
		for _, over := range trays[id].push(id) {
			surplus = append(surplus, journal.Op{Bucket: bucket, Key: keyOf(over)})
		}
	}
	if len(surplus) > 0 {
		ledger.Commit(surplus, func(error) {})
	}
	return q, nil
}

// Put keeps a refused datagram, and calls kept when it is on disk. While the ledger
// cannot be written, the first size wait in memory; the others are not kept.
func (q *Quarantine) Put(d messages.QuarantinedDatagram, kept func()) {
	if q.waiting.Add(1) > size {
		q.waiting.Add(-1)
		return
	}
	q.keep(d, &q.refused, func(err error) {
		q.waiting.Add(-1)
		if err == nil {
			kept()
		}
	})
}

// Keep keeps an event that was given up, under a new ID, instead of the oldest one if
// there are too many. While the ledger cannot be written it waits in memory, in order
// with all other commits.
func (q *Quarantine) Keep(d messages.QuarantinedDatagram) {
	d.GivenUp = true
	q.keep(d, &q.givenUp, func(error) {})
}

func (q *Quarantine) keep(d messages.QuarantinedDatagram, on *idQueue, done func(error)) {
	q.mu.Lock()
	q.last++
	d.ID = q.last
	over := on.push(d.ID)
	q.mu.Unlock()
	value, err := json.Marshal(d)
	if err != nil {
		done(err)
		return // a year that JSON cannot encode, which no clock returns
	}
	ops := []journal.Op{{Bucket: bucket, Key: keyOf(d.ID), Value: value}}
	for _, id := range over {
		ops = append(ops, journal.Op{Bucket: bucket, Key: keyOf(id)})
	}
	q.ledger.Commit(ops, done)
}

// List returns at most limit entries, the newest first. An entry that cannot be
// read is left out.
func (q *Quarantine) List(limit int) ([]messages.QuarantinedDatagram, error) {
	var out []messages.QuarantinedDatagram
	err := q.ledger.Range(bucket, func(_ string, value []byte) bool {
		var d messages.QuarantinedDatagram
		if json.Unmarshal(value, &d) == nil {
			out = append(out, d)
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("read the quarantine: %w", err)
	}
	slices.SortFunc(out, func(a, b messages.QuarantinedDatagram) int {
		if a.ID > b.ID {
			return -1
		}
		return 1
	})
	return out[:min(max(limit, 0), len(out))], nil
}

func keyOf(id uint64) string { return fmt.Sprintf("%020d", id) }
