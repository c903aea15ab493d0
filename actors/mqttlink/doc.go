// Package mqttlink owns the dispatch of messages from one MQTT broker to handlers, by a
// table of topics.
//
// It guarantees that a message is acknowledged only after its handler has finished;
// that handlers run outside of the actor, as many concurrently as their row allows;
// that the messages of a row are begun in order of arrival; and that a message whose
// handler fails temporarily is retried without delaying those behind it. A message that
// is refused, or that has failed Options.Attempts times, is acknowledged, so that it
// does not block the others. With Unlimited attempts none is given up: when as many are
// waiting as the connection hands out, the broker keeps the rest. Messages that were not
// acknowledged when the actor or the process ended are handled again, so a handler may
// see a message twice.
//
// It must never interpret a message, store one on disk, or block.
//
// Another broker is another actor, and another kind of message another Row:
//
//	mqttlink.Props(mqttlink.Options{
//		Kit: kit, Name: "cloud", Connection: conn,
//		Rows: []mqttlink.Row{{Name: "reload", Topic: "qscloud/app/reload", Below: true, Handle: handle}},
//	})
//
// Each running handler has a goroutine, whose context is cancelled when the actor stops.
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

// Connection is the source of the messages; *mqttconn.Conn implements it.
type Connection interface {
	// Settle acknowledges a message.
	Settle(id uint64)
	// Resume hands out again all messages that are not settled, with new IDs from first on.
	Resume() (first uint64)
}

// Row is the handler of a topic. A message goes to the first row that matches.
type Row struct {
	// Name is a metric label from a small closed set, such as "start_task".
	Name string
	// Topic is the topic to match; with Below also those that extend it after a slash.
	Topic string
	Below bool
	// IgnoreRetained skips retained messages, which the broker sends after every connect.
	IgnoreRetained bool
	// Handle handles a message. Its error is classified by messages.FailureOf: after
	// FailureUnavailable, FailureTimeout and FailureBusy the message is retried, after
	// any other failure it is refused. Handle may be called concurrently.
	Handle func(ctx context.Context, m messages.MQTTMessageArrived) error
	// Timeout bounds Handle; 0 means 30 s.
	Timeout time.Duration
	// Concurrency is how many messages of the row are handled concurrently; 0 means 1.
	Concurrency int
}

// Fits reports whether a message of the topic belongs to the row.
func (r Row) Fits(topic string) bool {
	rest, ok := strings.CutPrefix(topic, r.Topic)
	return ok && (rest == "" || r.Below && (rest[0] == '/' || strings.HasSuffix(r.Topic, "/")))
}

// Unlimited is the value of Options.Attempts for messages that must not be lost.
const Unlimited = math.MaxInt

// Options configure the actor of one broker. Kit, Name and Connection are required.
type Options struct {
	Kit *actorkit.Kit
	// Name identifies the broker in the log and as a metric label.
	Name       string
	Connection Connection
	Rows       []Row
	// Log may be nil.
	Log *zap.Logger
	// Metrics may be nil; several actors may share them.
	Metrics *Metrics
	// Attempts is the number of attempts for a message; 0 means 5.
	Attempts int
	// OnWaiting is called with the reason when messages wait for another attempt, and
	// with "" when none does any more. It must not block. It may be nil.
	OnWaiting func(why string)
	// Retry is the back-off after a failed attempt; the zero value means 1 s to 30 s.
	Retry backoff.Policy
	// Rand is the source of jitter; nil means a new one.
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
