// Package mqttconn owns the process's connection to an MQTT broker: connecting
// in the background, again and again, publishing, and subscriptions that
// outlive a connection.
//
// It guarantees that a publication without an error is acknowledged by the
// broker (QoS 1); that one which cannot be made now fails at once, so that
// whoever publishes keeps it; and that what goes out and what a broker sends is
// bounded in size and number. Publish may be called by many at a time.
//
// Messages are received with QoS 1 and acknowledged when the receiver has settled
// them, in the order of arrival. It has at most Window of them at a time. One
// whose acknowledgement was lost with a connection is recognised when it comes
// again; so a message is handed out twice only if it was settled by another
// process, or its acknowledgement was lost on the way. With Options.KeepSession
// the broker keeps what is not acknowledged while the process is away, and what
// finds no room here is sent again; without, such messages are dropped and counted.
//
// It must never decide what a message means, keep messages for a connection that
// is not there, or show a password.
package mqttconn

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"butler/internal/backoff"
	"butler/internal/destination"
	"butler/internal/logx"
	"butler/internal/mqttconn/topic"
	"butler/internal/secret"
	"butler/internal/text"
)

// Options describe a connection. Address, Random and Log are required.
type Options struct {
	// Address is host:port of the broker.
	Address string
	// ClientID identifies the process to the broker; "" means "butler-" and eight
	// random hexadecimal digits.
	ClientID string
	// KeepSession asks the broker to keep the subscriptions and what is not
	// acknowledged while the client is away. It wants a ClientID.
	KeepSession bool
	// User and Password log in; "" means without.
	User     string
	Password secret.String
	// TLS returns the settings that protect the connection; nil means none. It is
	// asked before each attempt, so renewed files count without a restart.
	TLS func() (*tls.Config, error)
	// WebSocket is the path of the broker's WebSocket, such as /mqtt; "" means TCP.
	WebSocket string
	// StatusTopic gets a text after each connect; "" for none.
	StatusTopic string
	// OnState is told of every connect, failed attempt and loss, in order. It must not block. Nil is fine.
	OnState func(State)
	// Metrics count what goes out; nil counts for nobody.
	Metrics *Metrics
	// Random is where client IDs and the spread of the pauses come from. It is
	// used by this connection alone from now on.
	Random *rand.Rand
	Log    *zap.Logger
	// Retry is the pause before another attempt; the zero value means from 1 s to 30 s.
	Retry backoff.Policy
	// KeepAlive and ConnectTimeout are 60 s and 30 s when 0.
	KeepAlive, ConnectTimeout time.Duration
}

// State is how the connection is.
type State struct {
	Connected bool
	// Reason says why not, or what does not work although it is connected.
	Reason string
}

// Message is one that a broker sent. Its topic is sane text, its payload is
// anything of at most MaxIncoming bytes.
type Message struct {
	// ID is for Settle. IDs grow.
	ID       uint64
	Topic    string
	Payload  []byte
	Retained bool

	// again says that the broker has sent it before, packet names it to the broker
	// until it is acknowledged; 0 when nobody waits for that.
	again  bool
	packet uint16
}

// Receiver is who gets what a broker sends.
type Receiver struct {
	// Filters are what is subscribed to after each connect.
	Filters []string
	// Take is called with one message after the other, in order, and must not block.
	// Each has to be settled.
	Take func(Message)
	// Name is the label of the connection in Metrics, which count for nobody when nil.
	Name    string
	Metrics *ReceiverMetrics
}

// Limits of what goes out and comes in.
const (
	// MaxPayload is the largest payload that is published.
	MaxPayload = 1 << 20
	// MaxIncoming is the largest packet that is taken from a broker; larger messages are skipped.
	MaxIncoming = 256 << 10
)

// Conn is the connection. Build it with New.
type Conn struct {
	o       Options
	log     *zap.Logger
	inbox   *inbox // nil without a receiver
	skipped dropCount

	mu   sync.Mutex
	link *link  // the connection at the moment, nil without one
	why  string // why there is none

	stop    context.CancelFunc
	running sync.WaitGroup
}

// ErrNotConnected says that there is no connection to publish through.
var ErrNotConnected = errors.New("not connected to the MQTT broker")

// New returns a connection that is not made yet.
func New(o Options) (*Conn, error) {
	if _, _, err := net.SplitHostPort(o.Address); err != nil {
		return nil, fmt.Errorf("address of the MQTT broker: %w", err)
	}
	o.ClientID = cmp.Or(o.ClientID, fmt.Sprintf("butler-%08x", o.Random.Uint32()))
	o.KeepAlive, o.ConnectTimeout = cmp.Or(o.KeepAlive, time.Minute), cmp.Or(o.ConnectTimeout, 30*time.Second)
	if o.Retry == (backoff.Policy{}) {
		o.Retry = backoff.Policy{Base: time.Second, Max: 30 * time.Second, Min: time.Second}
	}
	if o.OnState == nil {
		o.OnState = func(State) {}
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	if o.WebSocket != "" && !strings.HasPrefix(o.WebSocket, "/") {
		o.WebSocket = "/" + o.WebSocket
	}
	return &Conn{o: o, log: o.Log, why: "the first attempt has not ended"}, nil
}

// Receive sets who gets what the broker sends. Call it before Start.
func (c *Conn) Receive(r Receiver) error {
	for _, filter := range r.Filters {
		if err := topic.CheckFilter(filter); err != nil {
			return fmt.Errorf("topic filter %w", err)
		}
	}
	c.inbox = newInbox(r, c.log)
	return nil
}

// Settle says that a message is handled: it may be acknowledged. It does not
// block. An ID that is not known means nothing.
func (c *Conn) Settle(id uint64) {
	if c.inbox != nil {
		c.inbox.settle(id)
	}
}

// Resume says that the receiver begins anew: whatever it has not settled is handed
// out again, under IDs from first on; smaller ones mean nothing any more.
func (c *Conn) Resume() (first uint64) {
	if c.inbox == nil {
		return 0
	}
	return c.inbox.resume()
}

// Start connects in the background until Close.
func (c *Conn) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	c.o.Metrics.connection(false)
	if c.inbox != nil {
		c.running.Go(func() { c.inbox.run(ctx) })
	}
	c.running.Go(func() { c.run(ctx) })
}

// Close takes leave of the broker and waits, no longer than ctx, until nothing
// of the connection is left. It may be called without Start.
func (c *Conn) Close(ctx context.Context) error {
	if c.stop == nil {
		return nil
	}
	c.stop()
	ended := make(chan struct{})
	go func() {
		c.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close the MQTT connection: %w", ctx.Err())
	}
}

// Publish sends one message and returns nil when the broker has acknowledged it.
// A message that no broker takes is a permanent error; without a connection the
// error is at once, and worth another attempt.
func (c *Conn) Publish(ctx context.Context, name string, payload []byte) error {
	err := c.publish(ctx, name, payload)
	c.o.Metrics.published(err)
	return err
}

func (c *Conn) publish(ctx context.Context, name string, payload []byte) error {
	if err := topic.Check(name); err != nil {
		return destination.Permanent(fmt.Errorf("MQTT topic %w", err))
	}
	if len(payload) > MaxPayload {
		return destination.Permanent(fmt.Errorf("MQTT message has %d bytes, more than %d", len(payload), MaxPayload))
	}
	l, why := c.current()
	if l == nil {
		return fmt.Errorf("%w: %s", ErrNotConnected, why)
	}
	return l.publish(ctx, name, payload)
}

func (c *Conn) current() (*link, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.link, c.why
}

func (c *Conn) use(l *link, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.link, c.why = l, why
	c.o.Metrics.connection(l != nil)
}

// maxReason bounds, in characters, what is told of a failure: a broker's certificate may be in it.
const maxReason = 300

// steady is how long a connection lasts before its loss counts as the first failure again.
const steady = time.Minute

// run connects, and again after each failure and loss, until ctx ends.
func (c *Conn) run(ctx context.Context) {
	defer c.use(nil, "the connection is closed")
	for failures := 1; ctx.Err() == nil; failures++ {
		l, err := c.open(ctx)
		if err == nil {
			since := time.Now()
			err = c.serve(ctx, l)
			if time.Since(since) >= steady {
				failures = 1
			}
		}
		if ctx.Err() != nil {
			return
		}
		pause, why := c.o.Retry.Delay(failures, c.o.Random), text.Excerpt(err.Error(), maxReason)
		c.use(nil, why)
		c.log.Warn("not connected to the MQTT broker", zap.String("broker", c.o.Address), logx.Attempt(failures), logx.Delay(pause), logx.Reason(why))
		c.o.OnState(State{Reason: why})
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// serve lets everybody use a connection until it is lost or ctx ends.
func (c *Conn) serve(ctx context.Context, l *link) error {
	c.running.Go(l.sendAcks)
	defer c.lost(l)
	refused, err := c.subscribe(ctx, l)
	if err != nil {
		l.end(err)
		return err
	}
	c.use(l, "")
	c.o.Metrics.connects.Inc()
	c.log.Info("connected to the MQTT broker", zap.String("broker", c.o.Address), zap.String("client_id", c.o.ClientID))
	c.o.OnState(State{Connected: true, Reason: refused})
	c.greet(ctx, l)
	select {
	case <-l.ended:
		return l.why
	case <-ctx.Done():
		c.use(nil, "the connection is closed")
		l.leave()
		c.log.Info("disconnected from the MQTT broker", zap.String("broker", c.o.Address))
		return ctx.Err()
	}
}

// subscribe asks for everything that was subscribed to. A broker may refuse that
// and still take messages: the first refusal is told, in words.
func (c *Conn) subscribe(ctx context.Context, l *link) (refused string, err error) {
	if c.inbox == nil {
		return "", nil
	}
	for _, filter := range c.inbox.receiver.Filters {
		err := l.subscribe(ctx, filter)
		if errors.Is(err, errRefused) {
			c.log.Error("MQTT subscription is refused", zap.String("filter", filter))
			refused = cmp.Or(refused, "the broker refuses the subscription to "+filter)
			continue
		}
		if err != nil {
			return "", fmt.Errorf("subscribe to %s: %w", filter, err)
		}
	}
	return refused, nil
}

// greetTimeout bounds how long the broker may take to acknowledge the status text.
const greetTimeout = 10 * time.Second

func (c *Conn) greet(ctx context.Context, l *link) {
	if c.o.StatusTopic == "" {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, greetTimeout)
	defer cancel()
	text := fmt.Sprintf("Connected to MQTT broker %s with client ID %s", c.o.Address, c.o.ClientID)
	if err := l.publish(bounded, c.o.StatusTopic, []byte(text)); err != nil && ctx.Err() == nil {
		c.log.Warn("MQTT status text is not published", logx.Err(err))
	}
}
