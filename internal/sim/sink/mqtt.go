package sink

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"butler/internal/sim/edge"
)

// MQTTOptions describe an MQTT sink. The zero value accepts any client, without TLS.
type MQTTOptions struct {
	TLS *tls.Config
	// User and Password are required when User is set.
	User     string
	Password string
	Seed     uint64
	History  int
}

// MQTT is an MQTT broker that records publications. Faults match the methods CONNECT
// and PUBLISH; the path is the client ID or the topic. A Status fault refuses the
// connection; a Hang leaves a publication without its acknowledgement.
type MQTT struct {
	options      MQTTOptions
	door         *edge.Door
	broker       *mqtt.Server
	faults       *edge.Faults
	publications *edge.History[Publication]
	sessions     sync.WaitGroup
	stopped      context.Context //nolint:containedctx // the life of the sink, which ends what a fault delays
	stop         context.CancelFunc
}

// Publication is one message a client published.
type Publication struct {
	At      time.Time
	Client  string
	Topic   string
	Payload []byte
	QoS     byte
	Retain  bool
}

// Mentions reports whether a text, such as an execution ID, is in the payload.
func (p Publication) Mentions(marker string) bool { return bytes.Contains(p.Payload, []byte(marker)) }

// NewMQTT returns a broker that does not listen yet.
func NewMQTT(o MQTTOptions) *MQTT {
	s := &MQTT{options: o, faults: edge.NewFaults(o.Seed), publications: edge.NewHistory[Publication](o.History)}
	s.stopped, s.stop = context.WithCancel(context.Background())
	s.door = edge.NewDoor(s.serve)
	return s
}

// Start listens on a free port of 127.0.0.1.
func (s *MQTT) Start() error {
	if s.stopped.Err() != nil {
		return edge.ErrStopped
	}
	if s.broker == nil {
		// By default the broker prints its log, which it writes through slog.
		s.broker = mqtt.New(&mqtt.Options{InlineClient: true, Logger: slog.New(slog.DiscardHandler)})
		if err := s.broker.AddHook(&hook{sink: s}, nil); err != nil {
			return err
		}
		if err := s.broker.Serve(); err != nil {
			return err
		}
	}
	return s.door.Open()
}

// serve hands every connection of the door to the broker, which does not listen itself.
func (s *MQTT) serve(l net.Listener) {
	if s.options.TLS != nil {
		l = tls.NewListener(l, s.options.TLS)
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		s.sessions.Go(func() { _ = s.broker.EstablishConnection("sim", conn) })
	}
}

// Stop ends every session and frees the port, for good.
func (s *MQTT) Stop() {
	s.stop()
	s.door.Shut()
	s.sessions.Wait()
	if s.broker != nil {
		_ = s.broker.Close()
		s.broker = nil
	}
}

// Refuse makes the broker unreachable, or reachable again at the same address.
func (s *MQTT) Refuse(on bool) error {
	if s.stopped.Err() != nil {
		return edge.ErrStopped
	}
	return s.door.Refuse(on)
}

// Addr returns host:port.
func (s *MQTT) Addr() string { return s.door.Addr() }

// Connections returns the number of connections so far.
func (s *MQTT) Connections() int64 { return s.door.Accepted() }

// Faults returns the rules for faulty sessions.
func (s *MQTT) Faults() *edge.Faults { return s.faults }

// Publications returns the messages that clients published, without those of Publish.
func (s *MQTT) Publications() *edge.History[Publication] { return s.publications }

// Publish sends a message to all subscribers.
func (s *MQTT) Publish(topic string, payload []byte) error {
	return s.broker.Publish(topic, payload, false, 1)
}

// Subscribed reports whether a client has a subscription that covers the topic.
func (s *MQTT) Subscribed(topic string) bool {
	return len(s.broker.Topics.Subscribers(topic).Subscriptions) > 0
}

// hook receives the events of the broker for the sink.
type hook struct {
	mqtt.HookBase
	sink *MQTT
}

func (h *hook) ID() string { return "sim" }

func (h *hook) Provides(b byte) bool {
	return b == mqtt.OnConnectAuthenticate || b == mqtt.OnACLCheck || b == mqtt.OnPublish
}

func (h *hook) OnACLCheck(*mqtt.Client, string, bool) bool { return true }

func (h *hook) OnConnectAuthenticate(client *mqtt.Client, packet packets.Packet) bool {
	verdict := h.sink.faults.Judge("CONNECT", client.ID)
	switch {
	case !edge.Pause(h.sink.stopped, verdict.Delay):
		return false
	case verdict.Fault.Kind == edge.Status:
		return false
	case verdict.Fault.Kind == edge.Hang:
		<-h.sink.stopped.Done()
		return false
	case verdict.Fault.Kind != edge.Slow:
		edge.Reset(client.Net.Conn)
		return false
	}
	return h.sink.options.User == "" ||
		same(string(packet.Connect.Username), h.sink.options.User) && same(string(packet.Connect.Password), h.sink.options.Password)
}

func (h *hook) OnPublish(client *mqtt.Client, packet packets.Packet) (packets.Packet, error) {
	if client.Net.Inline {
		return packet, nil
	}
	verdict := h.sink.faults.Judge("PUBLISH", packet.TopicName)
	if !edge.Pause(h.sink.stopped, verdict.Delay) {
		return packet, packets.ErrRejectPacket
	}
	switch verdict.Fault.Kind {
	case edge.Slow:
		h.record(client, packet)
		return packet, nil
	case edge.Hang:
		return packet, packets.ErrRejectPacket
	case edge.ResetAfter:
		h.record(client, packet)
	default:
	}
	edge.Reset(client.Net.Conn)
	return packet, packets.ErrRejectPacket
}

func (h *hook) record(client *mqtt.Client, packet packets.Packet) {
	h.sink.publications.Add(Publication{
		At: time.Now(), Client: client.ID, Topic: strings.Clone(packet.TopicName), Payload: bytes.Clone(packet.Payload),
		QoS: packet.FixedHeader.Qos, Retain: packet.FixedHeader.Retain,
	})
}
