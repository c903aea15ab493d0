// Package mqttconn owns the connection to an MQTT broker: connecting and reconnecting
// in the background, publishing, and subscriptions that are renewed after each connect.
//
// It guarantees that Publish returns nil only when the broker has acknowledged the
// message (QoS 1); that it fails at once without a connection, so that the caller keeps
// the message; and that messages are bounded in size and number in both directions.
// Publish is safe for concurrent use.
//
// Messages are received with QoS 1 and acknowledged in order of arrival when the
// receiver has settled them. The receiver has at most Window unsettled messages. A
// message that the broker sends again, because its acknowledgement was lost with a
// connection, is recognised; so one is handed out twice only if another process has
// settled it, or its acknowledgement was lost otherwise. With Options.KeepSession the
// broker keeps unacknowledged messages while the process is away, and sends those again
// for which there was no room; without it, such messages are dropped and counted.
//
// It must never interpret a message, queue messages for a connection that does not
// exist, or show a password.
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
	"butler/internal/neterr"
	"butler/internal/secret"
	"butler/internal/text"
)

// Options configure a connection. Address, Random and Log are required.
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
	// TLS returns the TLS settings; nil means a connection without TLS. It is called
	// before each attempt, so that renewed certificate files need no restart.
	TLS func() (*tls.Config, error)
	// WebSocket is the path of the broker's WebSocket, such as /mqtt; "" means TCP.
	WebSocket string
	// StatusTopic gets a text after each connect; "" means none.
	StatusTopic string
	// StatusName is how this text names the broker; "" means by its address.
	StatusName string
	// OnState is called after every connect, failed attempt and loss of the connection, in
	// order. It must not block. It may be nil.
	OnState func(State)
	// Metrics count publications and connections; they may be nil.
	Metrics *Metrics
	// Random is the source of client IDs and jitter. The connection must be its only user.
	Random *rand.Rand
	Log    *zap.Logger
	// Retry is the back-off between attempts; the zero value means 1 s to 30 s.
	Retry backoff.Policy
	// KeepAlive and ConnectTimeout are 60 s and 30 s when 0.
	KeepAlive, ConnectTimeout time.Duration
}

// State is the state of the connection.
type State struct {
	Connected bool
	// Reason says why it is not connected, or what does not work although it is.
	Reason string
}

// Message is a received message. Its topic is valid UTF-8 without control characters;
// its payload is arbitrary, of at most MaxIncoming bytes.
type Message struct {
	// ID identifies the message for Settle. IDs grow.
	ID       uint64
	Topic    string
	Payload  []byte
	Retained bool

	// again is the broker's DUP flag. packet is the packet identifier, 0 when the broker
	// expects no acknowledgement.
	again  bool
	packet uint16
}

// Receiver handles the messages of a connection.
type Receiver struct {
	// Filters are the topic filters to subscribe to after each connect.
	Filters []string
	// Take is called with each message in order, never concurrently, and must not block.
	// Every message has to be settled.
	Take func(Message)
	// Name is the label of the connection in Metrics, which may be nil.
	Name    string
	Metrics *ReceiverMetrics
}

// The limits for messages, in bytes.
const (
	// MaxPayload is the largest payload that is published.
	MaxPayload = 1 << 20
	// MaxIncoming is the largest packet that is accepted; larger messages are skipped.
	MaxIncoming = 256 << 10
)

// Conn is a connection to a broker. Build it with New.
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

// ErrNotConnected is returned by Publish without a connection.
var ErrNotConnected = errors.New("not connected to the MQTT broker")

// New returns a connection that Start makes.
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

// Receive sets the receiver. Call it before Start.
func (c *Conn) Receive(r Receiver) error {
	for _, filter := range r.Filters {
		if err := topic.CheckFilter(filter); err != nil {
			return fmt.Errorf("topic filter %w", err)
		}
	}
	c.inbox = newInbox(r, c.log)
	return nil
}

// Settle marks a message as handled, so that it is acknowledged. It does not block, and
// ignores unknown IDs.
func (c *Conn) Settle(id uint64) {
	if c.inbox != nil {
		c.inbox.settle(id)
	}
}

// Resume is for a receiver that starts again: all messages that it has not settled are
// handed out again, with new IDs from first on. Smaller IDs become invalid.
func (c *Conn) Resume() (first uint64) {
	if c.inbox == nil {
		return 0
	}
	return c.inbox.resume()
}

// Start connects in the background, again after every loss, until Close.
func (c *Conn) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	c.o.Metrics.connection(false)
	if c.inbox != nil {
		c.running.Go(func() { c.inbox.run(ctx) })
	}
	c.running.Go(func() { c.run(ctx) })
}

// Close disconnects and waits until the goroutines of the connection have ended, or ctx
// has. It may be called without Start.
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

// Publish sends one message and returns nil when the broker has acknowledged it. An
// invalid message is a permanent error. Without a connection it returns at once with
// ErrNotConnected, which is worth a retry.
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

// maxReason bounds the text of a failure, in characters: it may contain a certificate.
const maxReason = 300

// why returns what to tell about a failure.
func why(err error) string {
	return text.Excerpt(cmp.Or(neterr.Reason(err, "the broker"), err.Error()), maxReason)
}

// steady is how long a connection has to last for its loss to count as a first failure.
const steady = time.Minute

// run connects, and reconnects after each failure and loss, until ctx ends.
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
		pause, reason := c.o.Retry.Delay(failures, c.o.Random), why(err)
		c.use(nil, reason)
		c.log.Warn("not connected to the MQTT broker", zap.String("broker", c.o.Address), logx.Attempt(failures), logx.Delay(pause), logx.Reason(reason))
		c.o.OnState(State{Reason: reason})
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// serve makes a connection available until it is lost or ctx ends.
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

// subscribe subscribes to the filters of the receiver. A broker may refuse a filter and
// still accept publications: refused describes the first such filter, "" for none.
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
	text := fmt.Sprintf("Connected to MQTT broker %s with client ID %s", cmp.Or(c.o.StatusName, c.o.Address), c.o.ClientID)
	if err := l.publish(bounded, c.o.StatusTopic, []byte(text)); err != nil && ctx.Err() == nil {
		c.log.Warn("MQTT status text is not published", logx.Err(err))
	}
}
