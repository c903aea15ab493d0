package mqttconn

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"butler/internal/logx"
	"butler/internal/mqttconn/topic"
)

const (
	// Window is how many messages a receiver has that it has not settled.
	Window = 32
	// maxInbox is how many messages there may be that are not settled, those that
	// wait for the window included.
	maxInbox = 128
)

// inbox keeps received messages until they are settled. They are handed out in order of
// arrival and acknowledged in the same order, as the protocol requires.
type inbox struct {
	receiver Receiver
	log      *zap.Logger
	dropped  dropCount
	wake     chan struct{}

	mu   sync.Mutex
	last uint64
	held []*held
}

// held is a message that is not acknowledged.
type held struct {
	Message
	state state
	// from is the connection that it was received on, nil after its loss.
	from *link
	ack  func()
}

type state uint8

const (
	waiting state = iota
	handed
	settled
)

func newInbox(r Receiver, log *zap.Logger) *inbox {
	if r.Metrics == nil {
		r.Metrics = NewReceiverMetrics(nil)
	}
	r.Metrics.expect(r.Name)
	return &inbox{receiver: r, log: log, wake: make(chan struct{}, 1)}
}

// put adds a received message. When there is no room it is dropped, unless the broker
// keeps it: then the connection is ended, and the broker sends it again.
func (in *inbox) put(l *link, m Message, ack func()) {
	if topic.Check(m.Topic) != nil {
		in.drop(l, m, ack, badTopic)
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if m.again && in.returned(l, m, ack) {
		return
	}
	if len(in.held) >= maxInbox {
		in.forget()
	}
	if len(in.held) >= maxInbox {
		if m.packet != 0 && l.keeps {
			l.end(errOverrun)
			return
		}
		in.drop(l, m, ack, tooMany)
		return
	}
	in.last++
	m.ID = in.last
	h := &held{Message: m, from: l, ack: ack}
	if l.isLost() {
		h.cut(l)
	}
	in.held = append(in.held, h)
	in.nudge()
}

// cut notes that the connection of a message is lost. It is handled nevertheless; a
// broker that keeps no session will not send it again.
func (h *held) cut(l *link) {
	h.from, h.ack = nil, nil
	if !l.keeps {
		h.packet = 0
	}
}

// forget makes room by removing settled messages of lost connections: the broker would
// have sent them again by now.
func (in *inbox) forget() {
	in.held = slices.DeleteFunc(in.held, func(h *held) bool { return h.from == nil && h.state == settled })
}

// returned recognises a message that the broker sends again because its acknowledgement
// was lost with a connection. It reports whether the message is known already.
func (in *inbox) returned(l *link, m Message, ack func()) bool {
	for i, h := range in.held {
		if h.from != nil || h.packet != m.packet || h.Topic != m.Topic || string(h.Payload) != string(m.Payload) {
			continue
		}
		h.from, h.ack = l, ack
		in.held = append(slices.Delete(in.held, i, i+1), h) // the place of its new arrival
		in.release()
		return true
	}
	return false
}

// settle marks a message as handled.
func (in *inbox) settle(id uint64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, h := range in.held {
		if h.ID == id && h.state == handed {
			h.state = settled
			in.release()
			in.nudge()
			return
		}
	}
}

// release acknowledges the settled messages that have no unsettled one before them. Those
// of a lost connection are kept while the broker may send them again.
func (in *inbox) release() {
	kept, blocked := in.held[:0:0], false
	for _, h := range in.held {
		switch {
		case h.from == nil && (h.state != settled || h.packet != 0):
			kept = append(kept, h)
		case h.from == nil:
		case blocked || h.state != settled:
			blocked = true
			kept = append(kept, h)
		default:
			h.from.acknowledge(h.ack)
		}
	}
	in.held = kept
}

// lost notes that a connection has ended.
func (in *inbox) lost(l *link) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, h := range in.held {
		if h.from == l {
			h.cut(l)
		}
	}
	in.release()
}

// fresh notes that the broker has no session from earlier connections.
func (in *inbox) fresh() {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, h := range in.held {
		if h.from == nil {
			h.packet = 0
		}
	}
	in.release()
}

// resume hands out all unsettled messages again, with new IDs from first on.
func (in *inbox) resume() (first uint64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	first = in.last + 1
	for _, h := range in.held {
		if h.state == handed {
			h.state = waiting
		}
		if h.state == waiting {
			in.last++
			h.ID = in.last
		}
	}
	in.nudge()
	return first
}

func (in *inbox) nudge() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}

// run hands out messages until ctx ends.
func (in *inbox) run(ctx context.Context) {
	for {
		select {
		case <-in.wake:
		case <-ctx.Done():
			return
		}
		for _, m := range in.due() {
			in.receiver.Take(m)
		}
	}
}

// due returns the next messages that fit into the window.
func (in *inbox) due() (out []Message) {
	in.mu.Lock()
	defer in.mu.Unlock()
	free := Window
	for _, h := range in.held {
		if h.state == handed {
			free--
		}
	}
	for _, h := range in.held {
		if h.state == waiting && free > 0 {
			free--
			h.state = handed
			out = append(out, h.Message)
		}
	}
	return out
}

// drop counts a message and acknowledges it if the broker expects that; otherwise the
// broker would send it again and again.
func (in *inbox) drop(l *link, m Message, ack func(), why dropReason) {
	in.receiver.Metrics.drop(in.receiver.Name, why)
	if m.packet != 0 {
		l.acknowledge(ack)
	}
	if n, due := in.dropped.add(time.Now()); due {
		in.log.Warn("incoming MQTT messages are dropped", logx.Reason(dropReasons[why]), logx.Count(n))
	}
}

// dropCount counts dropped messages and says when to log them: the first at once, the
// others once a minute.
type dropCount struct {
	count atomic.Int64
	told  atomic.Int64 // when, in nanoseconds
}

// add counts one message. When due, n is how many there were since the last log line.
func (d *dropCount) add(now time.Time) (n int, due bool) {
	d.count.Add(1)
	told := d.told.Load()
	if told != 0 && now.UnixNano()-told < int64(time.Minute) || !d.told.CompareAndSwap(told, now.UnixNano()) {
		return 0, false
	}
	return int(d.count.Swap(0)), true
}
