package delivery

import (
	"container/heap"
	"time"

	"butler/messages"
)

// state is where an item stands.
type state uint8

const (
	// behind: another notice of its key has the right of way.
	behind state = iota
	// ready: it may be sent as soon as the pace allows.
	ready
	// inFlight: an attempt carries it.
	inFlight
	// waiting: an attempt failed and the next one is due later.
	waiting
	// settling: it has ended and the ledger is being told.
	settling
	// gone: the ledger has been told.
	gone
)

// open reports that an item waits for an attempt.
func (s state) open() bool { return s == behind || s == ready || s == waiting }

// item is a notice in the queue. It is small on purpose: the alert stays in the outbox.
type item struct {
	id       messages.NoticeID
	key      string // "" when nothing limits it
	queuedAt time.Time
	overdue  time.Time // when a failure parks it
	expires  time.Time // when it is of no use any more; zero for never
	attempts int
	panics   int
	lastErr  string
	state    state
	// order is its place among the ready ones, due the time of its next attempt.
	order uint64
	due   time.Time
}

// Name implements keyed.Named.
func (i *item) Name() string { return string(i.id) }

// line is a priority queue of items in one state. An item that left the state
// stays until it comes to the front, and is passed over then.
type line struct {
	of    state
	less  func(a, b *item) bool
	items []*item
}

func newReadyLine() *line {
	return &line{of: ready, less: func(a, b *item) bool { return a.order < b.order }}
}

func newWaitingLine() *line {
	return &line{of: waiting, less: func(a, b *item) bool {
		return a.due.Before(b.due) || a.due.Equal(b.due) && a.order < b.order
	}}
}

// Len, Less, Swap, Push and Pop implement heap.Interface.
func (l *line) Len() int           { return len(l.items) }
func (l *line) Less(i, j int) bool { return l.less(l.items[i], l.items[j]) }
func (l *line) Swap(i, j int)      { l.items[i], l.items[j] = l.items[j], l.items[i] }
func (l *line) Push(x any)         { l.items = append(l.items, x.(*item)) }
func (l *line) Pop() any {
	last := len(l.items) - 1
	popped := l.items[last]
	l.items[last] = nil
	l.items = l.items[:last]
	return popped
}

// join adds an item that has the state of the line already.
func (l *line) join(i *item) { heap.Push(l, i) }

// front returns the first item, nil when there is none.
func (l *line) front() *item {
	for len(l.items) > 0 && l.items[0].state != l.of {
		heap.Pop(l)
	}
	if len(l.items) == 0 {
		return nil
	}
	return l.items[0]
}

// take removes the first item, which front has just returned.
func (l *line) take() { heap.Pop(l) }

// lane is the queue of one suppression key: one notice at a time has the right
// of way, the others wait for its end.
type lane struct {
	active *item
	behind []*item
}
