package mqttconn

import (
	"context"
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
	// keeps reports that the broker keeps the session while the client is away.
	keeps bool
	// waiting counts the publications that are not acknowledged.
	waiting atomic.Int32
	// acks are the acknowledgements of received messages that are still to be sent.
	acks chan func()
}

const (
	// qosPublish asks the broker for an acknowledgement.
	qosPublish = 1
	// qosSubscribe asks for each message until it is acknowledged.
	qosSubscribe = 1
	// protocolVersion is MQTT 3.1.1.
	protocolVersion = 4
	// writeTimeout bounds how long the network may take a packet.
	writeTimeout = 10 * time.Second
	// maxWaiting is how many publications may wait for an acknowledgement. A
	// broker that owes more is given up, because it seems to have lost them.
	maxWaiting = 256
	// maxAcks is how many acknowledgements may wait to be sent.
	maxAcks = 4096
	// leaveTimeout bounds the disconnect.
	leaveTimeout = 250 * time.Millisecond
)

var (
	errRefused = errors.New("the broker refuses it")
	errLost    = errors.New("the connection was lost")
	errLeft    = errors.New("the connection is closed")
	errOverrun = errors.New("more messages came in than may wait; the broker will send them again")
)

// open makes one attempt to connect and log in.
func (c *Conn) open(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.ConnectTimeout)
	defer cancel()
	l := &link{ended: make(chan struct{}), keeps: c.o.KeepSession, acks: make(chan func(), maxAcks)}
	var release func() bool // after it, the end of ctx leaves the connection alone
	o := paho.NewClientOptions().
		AddBroker("tcp://" + c.o.Address).SetClientID(c.o.ClientID).SetProtocolVersion(protocolVersion).
		SetUsername(c.o.User).SetPassword(c.o.Password.Reveal()).
		SetCleanSession(!c.o.KeepSession).SetAutoReconnect(false).SetConnectRetry(false).
		SetOrderMatters(true).SetAutoAckDisabled(true).SetDefaultPublishHandler(func(_ paho.Client, m paho.Message) { c.received(l, m) }).
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
	token, _ := l.client.Connect().(*paho.ConnectToken)
	<-token.Done()
	if err := token.Error(); err != nil {
		return nil, err
	}
	if !release() {
		l.leave()
		c.lost(l)
		return nil, ctx.Err()
	}
	if c.inbox != nil && !token.SessionPresent() {
		c.inbox.fresh()
	}
	return l, nil
}

// lost tells the receiver that a connection has ended.
func (c *Conn) lost(l *link) {
	if c.inbox != nil {
		c.inbox.lost(l)
	}
}

func (l *link) isLost() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

// received takes a message. Without a receiver there is no subscription, so it is ignored.
func (c *Conn) received(l *link, m paho.Message) {
	if c.inbox == nil {
		return
	}
	c.inbox.put(l, Message{Topic: m.Topic(), Payload: m.Payload(), Retained: m.Retained(), again: m.Duplicate(), packet: m.MessageID()}, m.Ack)
}

// acknowledge queues an acknowledgement, since sending it may block in the library.
func (l *link) acknowledge(ack func()) {
	select {
	case l.acks <- ack:
	default:
		l.end(errors.New("the broker does not read acknowledgements"))
	}
}

// sendAcks sends acknowledgements, in order, until the connection is gone.
func (l *link) sendAcks() {
	for {
		select {
		case ack := <-l.acks:
			ack()
		case <-l.ended:
			return
		}
	}
}

// end ends the connection for a reason. Later calls are ignored.
func (l *link) end(why error) {
	l.once.Do(func() {
		l.why = why
		close(l.ended)
		go l.client.Disconnect(0) // it may have to wait for who reported the loss
	})
}

// leave disconnects from the broker.
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
		l.end(fmt.Errorf("the broker has not acknowledged %d messages", maxWaiting))
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

// subscribe subscribes to one filter.
func (l *link) subscribe(ctx context.Context, filter string) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	token := l.client.Subscribe(filter, qosSubscribe, nil)
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
	if subscribed, ok := token.(*paho.SubscribeToken); ok && subscribed.Result()[filter] == refusedCode {
		return errRefused
	}
	return nil
}

// refusedCode is what a broker answers to a subscription that it does not allow.
const refusedCode = 0x80
