package mqttconn

import (
	"context"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"butler/internal/logx"
	"butler/internal/mqttconn/topic"
)

// maxInbox is how many messages of a subscription wait for their handler.
const maxInbox = 128

// inbox keeps the messages of one subscription for its handler, so that a slow
// one never holds up the connection.
type inbox struct {
	Subscription
	log     *zap.Logger
	queue   chan Message
	dropped dropCount
}

func newInbox(s Subscription, log *zap.Logger) *inbox {
	return &inbox{Subscription: s, log: log, queue: make(chan Message, maxInbox)}
}

// put takes a message, or drops it: one whose topic is no text, and any while the inbox is full.
func (in *inbox) put(m Message) {
	if topic.Check(m.Topic) != nil {
		in.drop("its topic is no text")
		return
	}
	select {
	case in.queue <- m:
	default:
		in.drop("too many wait")
	}
}

func (in *inbox) drop(why string) {
	if n, due := in.dropped.add(time.Now()); due {
		in.log.Warn("incoming MQTT messages are dropped", zap.String("filter", in.Filter), logx.Reason(why), logx.Count(n))
	}
}

// run hands messages to the handler until ctx ends.
func (in *inbox) run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case m := <-in.queue:
			in.Handle(ctx, m)
		case <-ctx.Done():
		}
	}
}

// dropCount counts what is dropped and says when to tell: the first at once, the
// rest once a minute.
type dropCount struct {
	count atomic.Int64
	told  atomic.Int64 // when, in nanoseconds
}

// add counts one, and returns how many there were since the last time it was due.
func (d *dropCount) add(now time.Time) (n int, due bool) {
	d.count.Add(1)
	told := d.told.Load()
	if told != 0 && now.UnixNano()-told < int64(time.Minute) || !d.told.CompareAndSwap(told, now.UnixNano()) {
		return 0, false
	}
	return int(d.count.Swap(0)), true
}
