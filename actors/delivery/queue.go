package delivery

import (
	"container/heap"
	"time"

	"butler/messages"
)

// state is the state of an item.
type state uint8

const (
	// blocked: another notice of its key is active.
	blocked state = iota
	// ready: it may be sent as soon as the pace allows.
	ready
	// inFlight: it is part of a running attempt.
	inFlight
	// retrying: an attempt failed and the next one is due later.
	retrying
	// settling: it has ended, and that is not durable yet.
	settling
	// gone: it has ended, and that is durable.
	gone
)

// open reports whether an item in the state waits for an attempt.
func (s state) open() bool { return s == blocked || s == ready || s == retrying }

// item is a notice in the queue. It is small on purpose: the alert stays in the outbox.
type item struct {
	id       messages.NoticeID
	key      string // its suppression key, "" for none
	queuedAt time.Time
	overdue  time.Time // from when on a failure parks it
	expires  time.Time // when it is outdated; zero for never
	attempts int
	panics   int
	lastErr  string
	state    state
	// order is its rank among the ready ones, due the time of its next attempt.
	order uint64
	due   time.Time
}

// Name implements keyed.Named.
func (i *item) Name() string { return string(i.id) }

// priorityQueue is a priority queue of items in one state. An item that has left the
// state stays in it until it comes to the front, where it is skipped.
type priorityQueue struct {
	of    state
	less  func(a, b *item) bool
	items []*item
}

func newReadyQueue() *priorityQueue {
	return &priorityQueue{of: ready, less: func(a, b *item) bool { return a.order < b.order }}
}

func newRetryQueue() *priorityQueue {
	return &priorityQueue{of: retrying, less: func(a, b *item) bool {
		return a.due.Before(b.due) || a.due.Equal(b.due) && a.order < b.order
	}}
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (q *priorityQueue) Len() int           { return len(q.items) }
func (q *priorityQueue) Less(i, j int) bool { return q.less(q.items[i], q.items[j]) }
func (q *priorityQueue) Swap(i, j int)      { q.items[i], q.items[j] = q.items[j], q.items[i] }
func (q *priorityQueue) Push(x any)         { q.items = append(q.items, x.(*item)) }
func (q *priorityQueue) Pop() any {
	last := len(q.items) - 1
	popped := q.items[last]
	q.items[last] = nil
	q.items = q.items[:last]
	return popped
}

// add adds an item that is in the state of the queue already.
func (q *priorityQueue) add(i *item) { heap.Push(q, i) }

// front returns the first item, nil when there is none.
func (q *priorityQueue) front() *item {
	for len(q.items) > 0 && q.items[0].state != q.of {
		heap.Pop(q)
	}
	if len(q.items) == 0 {
		return nil
	}
	return q.items[0]
}

// removeFront removes the item that front has just returned.
func (q *priorityQueue) removeFront() { heap.Pop(q) }

// keyQueue holds the notices of one suppression key: the active one, and those that
// wait for its end.
type keyQueue struct {
	active  *item
	blocked []*item
}
