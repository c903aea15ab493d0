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

// mqttStatusTopic is told of every connect.
const mqttStatusTopic = "qliksense/butler/mqtt/status"

// newMQTT returns the connection that a section describes; nobody has made it yet.
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

// buildMQTT makes the connection that the destinations share, if there is to be one.
func (a *App) buildMQTT(deps *destination.Deps) error {
	var section mqtt.Config
	if err := a.cfg.Section("mqttConfig", &section); err != nil || !section.Enable {
		return err
	}
	if a.keepMQTT(deps) {
		return nil
	}
	conn, err := newMQTT(section, *deps, mqttconn.Options{StatusTopic: mqttStatusTopic, OnState: a.onMQTT, Metrics: once(a.core, mqttconn.NewMetrics)})
	if err != nil {
		return err
	}
	if err := a.receiveMQTT(conn, section); err != nil {
		return err
	}
	a.mqtt = conn
	a.listener = &listenerNews{broker: conn, topic: section.Broker().ListenerTopic, log: a.log.Named("mqtt"), wake: make(chan struct{}, 1)}
	working, stop := context.WithCancel(a.working())
	a.listener.working = func() context.Context { return working }
	a.closer.add(mqttConnection, func(ctx context.Context) error {
		stop()
		return conn.Close(ctx)
	})
	deps.MQTT = func() (destination.Publisher, error) { return conn, nil }
	return nil
}

// mqttConnection names the closing of the connection.
const mqttConnection = "MQTT connection"

// keepMQTT takes over the connection of the generation before, with what it has
// under way, when nothing about it has changed.
func (a *App) keepMQTT(deps *destination.Deps) bool {
	if a.before == nil || a.before.mqtt == nil || a.changed.touch("mqttConfig") {
		return false
	}
	a.mqtt, a.listener, a.inbound, a.startTopic = a.before.mqtt, a.before.listener, a.before.inbound, a.before.startTopic
	conn := a.mqtt
	deps.MQTT = func() (destination.Publisher, error) { return conn, nil }
	return true
}

// startMQTT connects in the background: what is not published waits on disk. The
// actors are there, so what comes in finds who handles it.
func (a *App) startMQTT() {
	if a.mqtt == nil || a.before != nil && a.before.mqtt == a.mqtt {
		return
	}
	if a.before != nil && a.UDPAddress().IsValid() { // the broker is a new one, and the socket is open already
		a.listener.set("start")
	}
	a.background.Go(func() { a.listener.run(a.listener.working()) })
	a.health.Set(mqttComponent, supervisors.Degraded, "not connected yet")
	a.mqtt.Start()
}

func (a *App) onMQTT(s mqttconn.State) {
	if !s.Connected || s.Reason != "" {
		a.health.Set(mqttComponent, supervisors.Degraded, s.Reason)
	} else {
		a.health.Set(mqttComponent, supervisors.Up, "")
	}
	if s.Connected {
		a.listener.nudge()
	}
}

// listenerNews tells subscribers whether task events can be received: "start" or
// "error", once for each change, as soon as the broker is there. A nil one tells nobody.
type listenerNews struct {
	broker destination.Publisher
	topic  string
	log    *zap.Logger
	state  atomic.Pointer[string]
	wake   chan struct{}
	// working lasts as long as the connection is in use.
	working func() context.Context
}

const (
	// tellTimeout bounds how long the broker may take to acknowledge the news.
	tellTimeout = 10 * time.Second
	// tellAgain is the pause before news that were not acknowledged are told again.
	tellAgain = time.Minute
)

// set notes how the listener is from now on.
func (l *listenerNews) set(state string) {
	if l != nil {
		l.state.Store(&state)
		l.nudge()
	}
}

func (l *listenerNews) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run tells every change until ctx ends.
func (l *listenerNews) run(ctx context.Context) {
	if l == nil || l.topic == "" {
		return
	}
	told := ""
	var again <-chan time.Time
	for {
		select {
		case <-l.wake:
		case <-again:
		case <-ctx.Done():
			return
		}
		again = nil
		state := l.state.Load()
		switch {
		case state == nil || *state == told:
		case l.tell(ctx, *state):
			told = *state
		default:
			again = time.After(tellAgain)
		}
	}
}

func (l *listenerNews) tell(ctx context.Context, state string) bool {
	ctx, cancel := context.WithTimeout(ctx, tellTimeout)
	defer cancel()
	err := l.broker.Publish(ctx, l.topic, []byte(state))
	if err != nil && !errors.Is(err, mqttconn.ErrNotConnected) { // the next connect wakes it
		l.log.Warn("state of the listener is not published", zap.String("state", state), logx.Err(err))
	}
	return err == nil
}

// perMessage publishes through a connection for each message: for commands that
// do without the service.
type perMessage struct {
	cfg  *config.Config
	deps destination.Deps
}

// Publish implements destination.Publisher.
func (p perMessage) Publish(ctx context.Context, topic string, payload []byte) error {
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
	case <-states: // connected or not: publishing says why not
		return conn.Publish(ctx, topic, payload)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// connection returns one that is not made yet, and never the one of the service.
func (p perMessage) connection(onState func(mqttconn.State)) (*mqttconn.Conn, error) {
	var section mqtt.Config
	if err := p.cfg.Section("mqttConfig", &section); err != nil {
		return nil, err
	}
	if !section.AzureEventGrid.Enable { // the broker would end the connection of the service
		section.ClientID, section.CleanSession = "", true
	}
	return newMQTT(section, p.deps, mqttconn.Options{OnState: onState})
}

// Probe implements destination.Prober: a connection of its own, under a name of its own.
func (p perMessage) Probe() destination.Probe {
	conn, err := p.connection(nil)
	if err != nil {
		return destination.Probe{Key: "mqtt", Look: func(context.Context) (destination.Sight, error) { return destination.Sight{}, err }}
	}
	return conn.Probe()
}

var _ destination.Prober = perMessage{}
