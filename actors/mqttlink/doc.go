// Package mqttlink owns what becomes of the messages of one MQTT broker: a table
// of rows says who handles which topic.
//
// It guarantees that a message is acknowledged when its handler is done with it,
// and not before; that handlers run outside of the actor, no more at a time than
// their row allows, so that nobody waits for them; that messages of a row are
// begun in the order of arrival; and that one whose handler could not do it now
// is tried again, while those behind it go on. A message that is refused is
// acknowledged too, and so is one that is given up after Options.Attempts: no
// message stands in the way of all others. With Unlimited attempts none is given
// up: when as many wait as the connection hands out, the broker keeps the rest.
// What was handed out and not acknowledged when the actor or the process ended
// comes again, so a handler may see a message twice.
//
// It must never decide what a message means, keep one on disk, or block.
//
// Another broker is another actor, and another kind of message another Row:
//
//	mqttlink.Props(mqttlink.Options{
//		Kit: kit, Name: "cloud", Connection: conn,
//		Rows: []mqttlink.Row{{Name: "reload", Topic: "qscloud/app/reload", Below: true, Handle: handle}},
//	})
//
// Goroutines: one for each handler that runs, cancelled when the actor stops.
package mqttlink

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"time"

	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/backoff"
	"butler/messages"
)

// Connection is where messages come from; *mqttconn.Conn is the one in use.
type Connection interface {
	// Settle says that a message is handled, so that it is acknowledged.
	Settle(id uint64)
	// Resume has everything that is not settled sent again, under IDs from first on.
	Resume() (first uint64)
}

// Row says who handles the messages of a topic. The first row that fits counts.
type Row struct {
	// Name is a metric label from a small closed set, such as "start_task".
	Name string
	// Topic is the topic; with Below those that continue it with a / count, too.
	Topic string
	Below bool
	// IgnoreRetained leaves retained messages alone: they come with every connect.
	IgnoreRetained bool
	// Handle handles a message. Its errors say what they mean, see
	// messages.FailureOf: one that is out of reach, slow or busy is tried again, any
	// other ends the message. It may be called by several goroutines.
	Handle func(ctx context.Context, m messages.MQTTMessageArrived) error
	// Timeout bounds Handle; 0 means 30 s.
	Timeout time.Duration
	// Concurrency is how many messages of the row are handled at a time; 0 means 1.
	Concurrency int
}

func (r Row) fits(topic string) bool {
	rest, ok := strings.CutPrefix(topic, r.Topic)
	return ok && (rest == "" || r.Below && (rest[0] == '/' || strings.HasSuffix(r.Topic, "/")))
}

// Unlimited is the number of Attempts for messages that must not be lost.
const Unlimited = math.MaxInt

// Options describe the actor of one broker. Kit, Name and Connection are required.
type Options struct {
	Kit *actorkit.Kit
	// Name tells brokers apart, in the log and as a metric label.
	Name       string
	Connection Connection
	Rows       []Row
	// Log may be nil.
	Log *zap.Logger
	// Metrics may be nil; several actors may share them.
	Metrics *Metrics
	// Attempts is how often a message is tried, Unlimited for ever; 0 means 5.
	Attempts int
	// OnWaiting is told why messages wait for another attempt, and "" when none does
	// any more. It must not block. Nil is fine.
	OnWaiting func(why string)
	// Retry is the pause after a failed attempt; the zero value means 1 s to 30 s, growing.
	Retry backoff.Policy
	// Rand is where jitter comes from; nil means a source of its own.
	Rand *rand.Rand
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	if o.Attempts <= 0 {
		o.Attempts = 5
	}
	if o.OnWaiting == nil {
		o.OnWaiting = func(string) {}
	}
	if o.Retry == (backoff.Policy{}) {
		o.Retry = backoff.Policy{Base: 4 * time.Second, Max: 30 * time.Second, Min: time.Second}
	}
	if o.Rand == nil {
		o.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	rows := make([]Row, len(o.Rows))
	for i, r := range o.Rows {
		if r.Timeout <= 0 {
			r.Timeout = 30 * time.Second
		}
		r.Concurrency = max(r.Concurrency, 1)
		rows[i] = r
	}
	o.Rows = rows
	return o
}
