// Package mqttconn owns the process's connection to an MQTT broker: connecting
// in the background, again and again, publishing, and subscriptions that
// outlive a connection.
//
// It guarantees that a publication without an error is acknowledged by the
// broker (QoS 1); that one which cannot be made now fails at once, so that
// whoever publishes keeps it; and that what goes out and what a broker sends is
// bounded in size and number. Publish may be called by many at a time. The
// handler of a subscription is called with one message at a time, in order; what
// comes faster than it takes them is dropped and counted.
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
	"sync"
	"time"

	"go.uber.org/zap"

	"butler/internal/backoff"
	"butler/internal/destination"
	"butler/internal/httpc"
	"butler/internal/logx"
	"butler/internal/mqttconn/topic"
	"butler/internal/secret"
)

// Options describe a connection. Address, Random and Log are required.
type Options struct {
	// Address is host:port of the broker.
	Address string
	// ClientID identifies the process to the broker; "" means "butler-" and eight
	// random hexadecimal digits.
	ClientID string
	// User and Password log in; "" means without.
	User     string
	Password secret.String
	// TLS protects the connection; nil means plain TCP. See ClientCertificate.
	TLS *tls.Config
	// StatusTopic gets a text after each connect; "" for none.
	StatusTopic string
	// OnState is told of every connect, failed attempt and loss, in order. It must not block. Nil is fine.
	OnState func(State)
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
	Topic    string
	Payload  []byte
	Retained bool
}

// Subscription asks for the messages of a topic filter, with QoS 0.
type Subscription struct {
	Filter string
	// Handle takes one message. It may block; its context ends with Close.
	Handle func(ctx context.Context, m Message)
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
	inboxes []*inbox
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
	return &Conn{o: o, log: o.Log, why: "the first attempt has not ended"}, nil
}

// Subscribe adds a subscription, which is made anew after each connect. Call it before Start.
func (c *Conn) Subscribe(s Subscription) error {
	if err := topic.CheckFilter(s.Filter); err != nil {
		return fmt.Errorf("topic filter %w", err)
	}
	c.inboxes = append(c.inboxes, newInbox(s, c.log))
	return nil
}

// Start connects in the background until Close.
func (c *Conn) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	c.stop = cancel
	for _, in := range c.inboxes {
		c.running.Go(func() { in.run(ctx) })
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
		pause, why := c.o.Retry.Delay(failures, c.o.Random), httpc.Sanitise(err.Error(), maxReason)
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
	refused, err := c.subscribe(ctx, l)
	if err != nil {
		l.end(err)
		return err
	}
	c.use(l, "")
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
	for _, in := range c.inboxes {
		err := l.subscribe(ctx, in)
		if errors.Is(err, errRefused) {
			c.log.Error("MQTT subscription is refused", zap.String("filter", in.Filter))
			refused = cmp.Or(refused, "the broker refuses the subscription to "+in.Filter)
			continue
		}
		if err != nil {
			return "", fmt.Errorf("subscribe to %s: %w", in.Filter, err)
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

// ClientCertificate returns TLS settings with which a client shows the
// certificate in two PEM files. They are read for each connection, so a renewed
// certificate counts without a restart.
func ClientCertificate(certFile, keyFile string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(certFile, keyFile)
			if err != nil {
				return nil, fmt.Errorf("client certificate: %w", err)
			}
			return &pair, nil
		},
	}
}
