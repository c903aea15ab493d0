package mqttconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
)

// link is one connection from its beginning to its loss. The library's own
// reconnecting is off: it keeps what was not acknowledged in memory, without a
// bound, and sends it long after whoever published has given up.
type link struct {
	client paho.Client
	ended  chan struct{}
	once   sync.Once
	why    error // set before ended is closed
	// waiting counts the publications without an acknowledgement.
	waiting atomic.Int32
}

const (
	// qosPublish asks the broker for an acknowledgement.
	qosPublish = 1
	// qosSubscribe asks for each message once at the most.
	qosSubscribe = 0
	// protocolVersion is MQTT 3.1.1.
	protocolVersion = 4
	// writeTimeout bounds how long the network may take a packet.
	writeTimeout = 10 * time.Second
	// maxWaiting is how many publications may wait for an acknowledgement. A
	// broker that owes more is given up, because it seems to have lost them.
	maxWaiting = 256
	// leaveTimeout is how long taking leave of the broker may take.
	leaveTimeout = 250 * time.Millisecond
)

var (
	errRefused = errors.New("the broker refuses it")
	errLost    = errors.New("the connection was lost")
	errLeft    = errors.New("the connection is closed")
)

// open makes one attempt to connect.
func (c *Conn) open(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.ConnectTimeout)
	defer cancel()
	l := &link{ended: make(chan struct{})}
	var release func() bool // after it, the end of ctx leaves the connection alone
	o := paho.NewClientOptions().
		AddBroker("tcp://" + c.o.Address).SetClientID(c.o.ClientID).SetProtocolVersion(protocolVersion).
		SetUsername(c.o.User).SetPassword(c.o.Password.Reveal()).
		SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false).SetOrderMatters(true).
		SetKeepAlive(c.o.KeepAlive).SetConnectTimeout(c.o.ConnectTimeout).SetWriteTimeout(writeTimeout).
		SetConnectionLostHandler(func(_ paho.Client, err error) { l.end(fmt.Errorf("%w: %w", errLost, err)) }).
		SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) {
			conn, err := c.dial(ctx)
			if err != nil {
				return nil, err
			}
			release = context.AfterFunc(ctx, func() { _ = conn.Close() })
			return newSieve(conn, MaxIncoming, c.countSkipped), nil
		})
	l.client = paho.NewClient(o)
	token := l.client.Connect()
	<-token.Done()
	if err := token.Error(); err != nil {
		return nil, err
	}
	if !release() {
		l.leave()
		return nil, ctx.Err()
	}
	return l, nil
}

func (c *Conn) dial(ctx context.Context) (net.Conn, error) {
	if c.o.TLS == nil {
		return new(net.Dialer).DialContext(ctx, "tcp", c.o.Address)
	}
	return (&tls.Dialer{Config: c.o.TLS}).DialContext(ctx, "tcp", c.o.Address)
}

// end notes that the connection is gone, and why. Only the first reason counts.
func (l *link) end(why error) {
	l.once.Do(func() {
		l.why = why
		close(l.ended)
		go l.client.Disconnect(0) // it may have to wait for who reported the loss
	})
}

// leave tells the broker that the client goes, as far as it listens.
func (l *link) leave() {
	l.client.Disconnect(uint(leaveTimeout.Milliseconds()))
	l.end(errLeft)
}

// publish sends one message and waits for its acknowledgement. The library does
// not know contexts and may block, so it is called from a goroutine, which ends
// with the acknowledgement or the connection.
func (l *link) publish(ctx context.Context, name string, payload []byte) error {
	if l.waiting.Add(1) > maxWaiting {
		l.waiting.Add(-1)
		l.end(fmt.Errorf("the broker owes the acknowledgement of %d messages", maxWaiting))
	}
	acknowledged := make(chan error, 1)
	go func() {
		defer l.waiting.Add(-1)
		token := l.client.Publish(name, qosPublish, false, payload)
		select {
		case <-token.Done():
			acknowledged <- token.Error()
		case <-l.ended:
		}
	}()
	select {
	case err := <-acknowledged:
		if err != nil {
			return fmt.Errorf("publish to the MQTT broker: %w", err)
		}
		return nil
	case <-l.ended:
		return fmt.Errorf("%w: %w", ErrNotConnected, l.why)
	case <-ctx.Done():
		return fmt.Errorf("wait for the acknowledgement of the MQTT broker: %w", ctx.Err())
	}
}

// subscribe asks for the messages of one subscription.
func (l *link) subscribe(ctx context.Context, in *inbox) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	token := l.client.Subscribe(in.Filter, qosSubscribe, func(_ paho.Client, m paho.Message) {
		in.put(Message{Topic: m.Topic(), Payload: m.Payload(), Retained: m.Retained()})
	})
	select {
	case <-token.Done():
	case <-l.ended:
		return l.why
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := token.Error(); err != nil {
		return err
	}
	if subscribed, ok := token.(*paho.SubscribeToken); ok && subscribed.Result()[in.Filter] == refusedCode {
		return errRefused
	}
	return nil
}

// refusedCode is what a broker answers to a subscription that it does not allow.
const refusedCode = 0x80
