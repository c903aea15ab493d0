package app

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"butler/config"
	"butler/internal/destination"
	"butler/internal/destination/mqtt"
	"butler/internal/logx"
	"butler/internal/mqttconn"
	"butler/supervisors"
)

// mqttComponent is the health of the connection to the MQTT broker.
const mqttComponent = "mqtt"

// mqttStatusTopic gets a message after every connect.
const mqttStatusTopic = "qliksense/butler/mqtt/status"

// newMQTT returns the connection that a section describes. It is not started yet.
func newMQTT(section mqtt.Config, deps destination.Deps, o mqttconn.Options) (*mqttconn.Conn, error) {
	broker := section.Broker()
	o.Address, o.ClientID, o.KeepSession = broker.Address, broker.ClientID, broker.KeepSession
	o.User, o.Password, o.WebSocket = broker.User, broker.Password, broker.WebSocket
	o.Random, o.Log = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), deps.Log.Named("mqtt")
	if broker.TLS {
		o.TLS = mqttconn.TLSFiles{CA: deps.Path(broker.CA), Cert: deps.Path(broker.CertFile), Key: deps.Path(broker.KeyFile)}.Settings
	}
	return mqttconn.New(o)
}

// buildMQTT makes the connection that all destinations share, if MQTT is enabled.
func (g *generation) buildMQTT(deps *destination.Deps) error {
	var section mqtt.Config
	if err := g.cfg.Section("mqttConfig", &section); err != nil || !section.Enable {
		return err
	}
	if g.keepMQTT(deps) {
		return nil
	}
	conn, err := newMQTT(section, *deps, mqttconn.Options{StatusTopic: mqttStatusTopic, OnState: g.onMQTT, Metrics: sharedMetrics(g.App, mqttconn.NewMetrics)})
	if err != nil {
		return err
	}
	inbound, err := g.receiveMQTT(conn, section)
	if err != nil {
		return err
	}
	g.mqtt = conn
	g.listener = newListenerStatus(conn, section.Broker().ListenerTopic, g.log.Named("mqtt"))
	lifetime, stop := context.WithCancel(g.lifetime())
	g.listener.lifetime = func() context.Context { return lifetime }
	p := g.add(part{name: mqttPart, components: []string{mqttComponent}, open: g.startMQTT, gone: sharedMetrics(g.App, mqttconn.NewMetrics).Gone})
	if inbound != nil {
		p.actors = []supervisors.Child{g.inboundChild("mqttlink", inbound)}
	}
	p.closer.add(mqttPart, func(ctx context.Context) error {
		stop()
		return conn.Close(ctx)
	})
	deps.MQTT = func() (destination.Publisher, error) { return conn, nil }
	return nil
}

// mqttPart is the connection.
const mqttPart = "MQTT connection"

// keepMQTT takes over the connection of the previous generation, with the messages
// that are under way, when its configuration has not changed. It reports whether it did.
func (g *generation) keepMQTT(deps *destination.Deps) bool {
	if g.changed.touches("mqttConfig") || !g.keep(mqttPart) {
		return false
	}
	g.mqtt, g.listener, g.startTopic = g.previous.mqtt, g.previous.listener, g.previous.startTopic
	conn := g.mqtt
	deps.MQTT = func() (destination.Publisher, error) { return conn, nil }
	return true
}

// startMQTT connects in the background; notices wait on disk meanwhile. It runs after
// the actors have started, as messages of the broker are sent to them.
func (g *generation) startMQTT() {
	if g.UDPAddress().IsValid() { // the broker of a reload has not been told that the socket is open
		g.listener.set(listenerStarted)
	}
	g.background.Go(func() { g.listener.run(g.listener.lifetime()) })
	g.health.Set(mqttComponent, supervisors.Degraded, "not connected yet")
	g.mqtt.Start()
}

func (g *generation) onMQTT(s mqttconn.State) {
	if !s.Connected || s.Reason != "" {
		g.health.Set(mqttComponent, supervisors.Degraded, s.Reason)
	} else {
		g.health.Set(mqttComponent, supervisors.Up, "")
	}
	if s.Connected {
		g.listener.nudge()
	}
}

// listenerStatus publishes whether task events can be received: listenerStarted or listenerFailed,
// once for each change, as soon as the broker is connected. A nil one does nothing.
type listenerStatus struct {
	broker destination.Publisher
	topic  string
	log    *zap.Logger
	state  atomic.Pointer[string]
	wake   chan struct{}
	// published is the status that the broker has; told is signalled when it changes.
	published atomic.Pointer[string]
	told      chan struct{}
	// lifetime lasts as long as the connection is in use.
	lifetime func() context.Context
}

func newListenerStatus(broker destination.Publisher, topic string, log *zap.Logger) *listenerStatus {
	return &listenerStatus{broker: broker, topic: topic, log: log, wake: make(chan struct{}, 1), told: make(chan struct{}, 1)}
}

// The states of the UDP listener, as the Node.js tool publishes them.
const (
	listenerStarted = "start"
	listenerFailed  = "error"
)

const (
	// lastWordTimeout bounds how long a start that has failed waits until the broker has its status.
	lastWordTimeout = 5 * time.Second
	// tellTimeout bounds how long the broker may take to acknowledge the status.
	tellTimeout = 10 * time.Second
	// tellAgain is the pause before a status is published again that was not acknowledged.
	tellAgain = time.Minute
)

// set changes the status.
func (l *listenerStatus) set(state string) {
	if l != nil {
		l.state.Store(&state)
		l.nudge()
	}
}

// nudge has run publish the status, if that is still to be done.
func (l *listenerStatus) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run publishes every change of the status until ctx ends.
func (l *listenerStatus) run(ctx context.Context) {
	if l == nil || l.topic == "" {
		return
	}
	var again <-chan time.Time
	for {
		select {
		case <-l.wake:
		case <-again:
		case <-ctx.Done():
			return
		}
		again = nil
		state, published := l.state.Load(), l.published.Load()
		switch {
		case state == nil || published != nil && *published == *state:
		case l.tell(ctx, *state):
			l.published.Store(state)
			select {
			case l.told <- struct{}{}:
			default:
			}
		default:
			again = time.After(tellAgain)
		}
	}
}

// settle waits until the broker has a status, or ctx ends.
func (l *listenerStatus) settle(ctx context.Context, state string) {
	if l == nil || l.topic == "" {
		return
	}
	for {
		if published := l.published.Load(); published != nil && *published == state {
			return
		}
		select {
		case <-l.told:
		case <-ctx.Done():
			return
		}
	}
}

func (l *listenerStatus) tell(ctx context.Context, state string) bool {
	ctx, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	err := l.broker.Publish(ctx, l.topic, []byte(state))
	if err != nil && !errors.Is(err, mqttconn.ErrNotConnected) { // the next connect calls nudge
		l.log.Warn("the state of the UDP listener could not be published", zap.String("state", state), logx.Err(err))
	}
	return err == nil
}

// connectPerMessage is a publisher that makes a connection for each message. Commands
// use it that work without the service.
type connectPerMessage struct {
	cfg  *config.Config
	deps destination.Deps
}

// Publish implements destination.Publisher.
func (p connectPerMessage) Publish(ctx context.Context, topic string, payload []byte) error {
	states := make(chan mqttconn.State, 1)
	conn, err := p.connection(func(s mqttconn.State) {
		select {
		case states <- s:
		default:
		}
	})
	if err != nil {
		return err
	}
	conn.Start()
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	select {
	case <-states: // when it is not connected, Publish returns why
		return conn.Publish(ctx, topic, payload)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// connection returns a connection that is not started yet. Its client ID differs from
// that of the service, whose connection the broker would close otherwise.
func (p connectPerMessage) connection(onState func(mqttconn.State)) (*mqttconn.Conn, error) {
	var section mqtt.Config
	if err := p.cfg.Section("mqttConfig", &section); err != nil {
		return nil, err
	}
	if !section.AzureEventGrid.Enable { // which accepts only client IDs that it knows
		section.ClientID, section.CleanSession = "", true
	}
	return newMQTT(section, p.deps, mqttconn.Options{OnState: onState})
}

// Probe implements destination.Prober.
func (p connectPerMessage) Probe() destination.Probe {
	conn, err := p.connection(nil)
	if err != nil {
		return destination.Probe{Key: "mqtt", Run: func(context.Context) (destination.ProbeResult, error) { return destination.ProbeResult{}, err }}
	}
	return conn.Probe()
}

var _ destination.Prober = connectPerMessage{}
