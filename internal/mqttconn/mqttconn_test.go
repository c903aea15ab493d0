package mqttconn_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/backoff"
	"butler/internal/destination"
	"butler/internal/mqttconn"
	"butler/internal/sim/edge"
	"butler/internal/sim/sink"
)

// patience is how long a test waits for what has to come.
const patience = 10 * time.Second

// rig is a connection with what it tells.
type rig struct {
	*mqttconn.Conn
	t      *testing.T
	states chan mqttconn.State
	got    chan mqttconn.Message // what the broker sent
	log    *observer.ObservedLogs
	reg    *prometheus.Registry // with the metrics of what it receives
	lines  chan string          // what is logged, as it comes
}

// dial starts a connection that tries again at once. What it receives is settled.
func dial(t *testing.T, address string, change func(*mqttconn.Options), filters ...string) *rig {
	t.Helper()
	var r *rig
	r = prepare(t, address, change, func(m mqttconn.Message) {
		r.got <- m
		r.Settle(m.ID)
	}, filters...)
	r.Start()
	t.Cleanup(r.close)
	return r
}

// hold starts a connection like dial; what it receives is left to the test to settle.
func hold(t *testing.T, address string, change func(*mqttconn.Options), filters ...string) *rig {
	t.Helper()
	var r *rig
	r = prepare(t, address, change, func(m mqttconn.Message) { r.got <- m }, filters...)
	r.Start()
	t.Cleanup(r.close)
	return r
}

// prepare returns a connection that is not started.
func prepare(t *testing.T, address string, change func(*mqttconn.Options), take func(mqttconn.Message), filters ...string) *rig {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	r := &rig{t: t, reg: prometheus.NewRegistry(), states: make(chan mqttconn.State, 1024), got: make(chan mqttconn.Message, 1024), log: logs, lines: make(chan string, 1024)}
	tell := func(e zapcore.Entry) error { r.lines <- e.Message; return nil }
	o := mqttconn.Options{
		Address: address, Random: rand.New(rand.NewPCG(1, 1)), Log: zap.New(core, zap.Hooks(tell)), Retry: backoff.Policy{Base: 20 * time.Millisecond},
		OnState: func(s mqttconn.State) { r.states <- s },
	}
	if change != nil {
		change(&o)
	}
	conn, err := mqttconn.New(o)
	if err != nil {
		t.Fatal(err)
	}
	r.Conn = conn
	if err := conn.Receive(mqttconn.Receiver{Filters: filters, Take: take, Name: "main", Metrics: mqttconn.NewReceiverMetrics(r.reg)}); err != nil {
		t.Fatal(err)
	}
	return r
}

// untilDropped waits until as many messages were dropped for a reason, and none for another.
func (r *rig) untilDropped(reason string, want int) {
	r.t.Helper()
	counts := map[string]int{"bad_topic": 0, "too_large": 0, "too_many": 0, reason: want}
	text := "# HELP butler_mqtt_messages_dropped_total Messages of an MQTT broker that are lost: more waited than are taken and the broker keeps none (cleanSession), too large, or of a topic that is no text.\n" +
		"# TYPE butler_mqtt_messages_dropped_total counter\n"
	for _, label := range slices.Sorted(maps.Keys(counts)) {
		text += fmt.Sprintf("butler_mqtt_messages_dropped_total{connection=\"main\",reason=%q} %d\n", label, counts[label])
	}
	for late := time.After(patience); ; {
		err := testutil.GatherAndCompare(r.reg, strings.NewReader(text))
		if err == nil {
			return
		}
		select {
		case <-late:
			r.t.Fatal(err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (r *rig) close() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		r.t.Error(err)
	}
}

// until waits for a state.
func (r *rig) until(what string, is func(mqttconn.State) bool) mqttconn.State {
	r.t.Helper()
	for late := time.After(patience); ; {
		select {
		case s := <-r.states:
			if is(s) {
				return s
			}
		case <-late:
			r.t.Fatalf("it is never %s", what)
		}
	}
}

func (r *rig) untilConnected() mqttconn.State {
	r.t.Helper()
	return r.until("connected", func(s mqttconn.State) bool { return s.Connected })
}

func (r *rig) untilLost() mqttconn.State {
	r.t.Helper()
	return r.until("disconnected", func(s mqttconn.State) bool { return !s.Connected })
}

// send publishes within the patience of a test.
func (r *rig) send(topic, payload string) error {
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	return r.Publish(ctx, topic, []byte(payload))
}

func broker(t *testing.T, o sink.MQTTOptions) *sink.MQTT {
	t.Helper()
	b := sink.NewMQTT(o)
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Stop)
	return b
}

func (r *rig) receive() mqttconn.Message {
	r.t.Helper()
	select {
	case m := <-r.got:
		return m
	case <-time.After(patience):
		r.t.Fatal("no message comes")
		return mqttconn.Message{}
	}
}

func TestPublish_isAcknowledgedWithQoS1AndNotRetained(t *testing.T) {
	b := broker(t, sink.MQTTOptions{})
	r := dial(t, b.Addr(), func(o *mqttconn.Options) { o.StatusTopic = "qliksense/butler/mqtt/status" })
	r.untilConnected()
	if err := r.send("qliksense/task_failure", "Reload of Sales 🤪"); err != nil {
		t.Fatal(err)
	}
	if err := b.Publications().AwaitTotal(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	got := map[string]sink.Publication{}
	for _, p := range b.Publications().All() {
		got[p.Topic] = p
		if p.QoS != 1 || p.Retain {
			t.Errorf("%s: want QoS 1, not retained, got QoS %d, retained %v", p.Topic, p.QoS, p.Retain)
		}
		if !regexp.MustCompile(`^butler-[0-9a-f]{8}$`).MatchString(p.Client) {
			t.Errorf("the client ID is %q", p.Client)
		}
	}
	if text := string(got["qliksense/task_failure"].Payload); text != "Reload of Sales 🤪" {
		t.Errorf("the broker got %q", text)
	}
	status := got["qliksense/butler/mqtt/status"]
	if want := fmt.Sprintf("Connected to MQTT broker %s with client ID %s", b.Addr(), status.Client); string(status.Payload) != want {
		t.Errorf("the status text is %q, want %q", status.Payload, want)
	}
}

func TestPublish_failsAtOnceWithoutAConnection(t *testing.T) {
	b := broker(t, sink.MQTTOptions{})
	if err := b.Refuse(true); err != nil {
		t.Fatal(err)
	}
	reg := prometheus.NewRegistry()
	r := dial(t, b.Addr(), func(o *mqttconn.Options) { o.Metrics = mqttconn.NewMetrics(reg) })
	r.untilLost()
	began := time.Now()
	err := r.send("a", "lost")
	if kind, _ := destination.KindOf(err); !errors.Is(err, mqttconn.ErrNotConnected) || kind != destination.Transient {
		t.Errorf("want a transient error, got %v", err)
	}
	if took := time.Since(began); took > patience/2 {
		t.Errorf("it took %s", took)
	}
	if err := b.Refuse(false); err != nil {
		t.Fatal(err)
	}
	r.untilConnected()
	if err := r.send("a", "told"); err != nil {
		t.Fatal(err)
	}
	if err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP butler_mqtt_connected 1 while the MQTT broker is connected.
# TYPE butler_mqtt_connected gauge
butler_mqtt_connected 1
# HELP butler_mqtt_connects_total Connections made to the MQTT broker, the first one included.
# TYPE butler_mqtt_connects_total counter
butler_mqtt_connects_total 1
# HELP butler_mqtt_messages_published_total Messages for the MQTT broker: acknowledged by it, or failed; those of alerts are tried again.
# TYPE butler_mqtt_messages_published_total counter
butler_mqtt_messages_published_total{result="acknowledged"} 1
butler_mqtt_messages_published_total{result="failed"} 1
`)); err != nil {
		t.Error(err)
	}
	for _, p := range b.Publications().All() {
		if string(p.Payload) == "lost" {
			t.Error("a message whose error was told is sent later")
		}
	}
}

func TestPublish_refusesForEverWhatNoBrokerTakes(t *testing.T) {
	b := broker(t, sink.MQTTOptions{})
	r := dial(t, b.Addr(), nil)
	r.untilConnected()
	for name, attempt := range map[string]func() error{
		"a wildcard":  func() error { return r.send("a/#", "x") },
		"no topic":    func() error { return r.send("", "x") },
		"too much":    func() error { return r.send("a", strings.Repeat("x", mqttconn.MaxPayload+1)) },
		"a NUL":       func() error { return r.send("a\x00", "x") },
		"broken text": func() error { return r.send("a\xff", "x") },
	} {
		if kind, _ := destination.KindOf(attempt()); kind != destination.PermanentKind {
			t.Errorf("%s: want a permanent error", name)
		}
	}
	if err := r.send("a", strings.Repeat("x", mqttconn.MaxPayload)); err != nil {
		t.Errorf("the largest message: %v", err)
	}
}

func TestPublish_endsWithItsContextWhenTheBrokerIsSilent(t *testing.T) {
	b := broker(t, sink.MQTTOptions{})
	b.Faults().Set(edge.Rule{Kind: edge.Hang, Method: "PUBLISH"})
	r := dial(t, b.Addr(), nil)
	r.untilConnected()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := r.Publish(ctx, "a", []byte("x"))
	if kind, _ := destination.KindOf(err); !errors.Is(err, context.DeadlineExceeded) || kind != destination.Transient {
		t.Errorf("want the end of the context, got %v", err)
	}
}

func TestPublish_givesABrokerUpThatLosesAcknowledgements(t *testing.T) {
	b := broker(t, sink.MQTTOptions{})
	b.Faults().Set(edge.Rule{Name: "silent", Kind: edge.Hang, Method: "PUBLISH"})
	r := dial(t, b.Addr(), nil)
	r.untilConnected()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for range 256 + 1 { // no more: the next one may already go to the next connection
		_ = r.Publish(cancelled, "a", []byte("x"))
	}
	if lost := r.untilLost(); !strings.Contains(lost.Reason, "256 messages") {
		t.Errorf("the reason is %q", lost.Reason)
	}
	b.Faults().Clear()
	r.untilConnected()
	if err := r.send("a", "again"); err != nil {
		t.Error(err)
	}
}

func TestSubscribe_outlivesTheConnection(t *testing.T) {
	b := broker(t, sink.MQTTOptions{})
	r := dial(t, b.Addr(), nil, "qliksense/#")
	for round := range 3 {
		r.untilConnected()
		want := fmt.Sprintf("round %d", round)
		if err := b.Publish("qliksense/start_task", []byte(want)); err != nil {
			t.Fatal(err)
		}
		if m := r.receive(); m.Topic != "qliksense/start_task" || string(m.Payload) != want {
			t.Errorf("want %q, got %q on %s", want, m.Payload, m.Topic)
		}
		if err := errors.Join(b.Refuse(true), b.Refuse(false)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReceive_refusesWhatIsNoFilter(t *testing.T) {
	conn, err := mqttconn.New(mqttconn.Options{Address: "127.0.0.1:1883", Random: rand.New(rand.NewPCG(1, 1)), Log: zap.NewNop()})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Receive(mqttconn.Receiver{Filters: []string{"a/#/b"}}); err == nil {
		t.Error("want an error")
	}
	conn.Settle(1) // of nobody
	if err := conn.Close(t.Context()); err != nil {
		t.Errorf("close what was never started: %v", err)
	}
}

func TestReceive_handsOutAWindowAndPublishesOn(t *testing.T) {
	b := broker(t, sink.MQTTOptions{})
	r := hold(t, b.Addr(), nil, "in/#")
	r.untilConnected()
	const sent, taken = 1000, 128
	for n := range sent {
		if err := b.Publish("in/x", []byte(strconv.Itoa(n))); err != nil {
			t.Fatal(err)
		}
	}
	r.untilLogged("incoming MQTT messages are dropped")
	r.untilDropped("too_many", sent-taken)
	if err := r.send("out", "x"); err != nil {
		t.Error(err)
	}
	for n := range mqttconn.Window {
		if m := r.receive(); string(m.Payload) != strconv.Itoa(n) {
			t.Fatalf("want message %d, got %s", n, m.Payload)
		}
	}
	select {
	case m := <-r.got:
		t.Errorf("message %s is out of the window", m.Payload)
	default:
	}
	r.Settle(5)
	if m := r.receive(); string(m.Payload) != strconv.Itoa(mqttconn.Window) {
		t.Errorf("want the message after the window, got %s", m.Payload)
	}
}

func TestResume_handsOutAgainWhatIsNotSettled(t *testing.T) {
	b := broker(t, sink.MQTTOptions{})
	r := hold(t, b.Addr(), nil, "in/#")
	r.untilConnected()
	for _, text := range []string{"a", "b", "c"} {
		if err := b.Publish("in/x", []byte(text)); err != nil {
			t.Fatal(err)
		}
		r.receive()
	}
	r.Settle(2)
	first := r.Resume()
	r.Settle(1) // the receiver of before
	for _, want := range []string{"a", "c"} {
		if m := r.receive(); string(m.Payload) != want || m.ID < first {
			t.Errorf("want %s under an ID from %d on, got %s under %d", want, first, m.Payload, m.ID)
		}
	}
}

func (r *rig) untilLogged(message string) {
	r.t.Helper()
	for late := time.After(patience); ; {
		select {
		case line := <-r.lines:
			if line == message {
				return
			}
		case <-late:
			r.t.Fatalf("%q is never logged", message)
		}
	}
}

// refuse is a broker that takes messages and refuses every subscription.
func refuse(t *testing.T) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			packet, err := packets.ReadPacket(conn)
			if err != nil {
				return
			}
			switch packet := packet.(type) {
			case *packets.ConnectPacket:
				_ = packets.NewControlPacket(packets.Connack).Write(conn)
			case *packets.SubscribePacket:
				answer := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
				answer.MessageID, answer.ReturnCodes = packet.MessageID, []byte{0x80}
				_ = answer.Write(conn)
			case *packets.PublishPacket:
				answer := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
				answer.MessageID = packet.MessageID
				_ = answer.Write(conn)
			}
		}
	}()
	return listener.Addr().String()
}

func TestSubscribe_saysThatItIsRefusedAndPublishesOn(t *testing.T) {
	r := dial(t, refuse(t), nil, "secret/#")
	if s := r.untilConnected(); !strings.Contains(s.Reason, "secret/#") {
		t.Errorf("the reason is %q", s.Reason)
	}
	if err := r.send("a", "x"); err != nil {
		t.Error(err)
	}
}

func TestReceive_skipsWhatIsTooLarge(t *testing.T) {
	b := broker(t, sink.MQTTOptions{})
	r := dial(t, b.Addr(), nil, "in/#")
	r.untilConnected()
	for _, payload := range []string{strings.Repeat("x", 2*mqttconn.MaxIncoming), "small"} {
		if err := b.Publish("in/x", []byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	if m := r.receive(); string(m.Payload) != "small" {
		t.Errorf("got %d bytes", len(m.Payload))
	}
	r.untilLogged("incoming MQTT messages are skipped, because they are too large")
	r.untilDropped("too_large", 1)
}

func TestConn_saysThatTheLoginIsRefusedAndNotWhatItWas(t *testing.T) {
	b := broker(t, sink.MQTTOptions{User: "butler", Password: "right"})
	r := dial(t, b.Addr(), func(o *mqttconn.Options) { o.User, o.Password = "butler", "T0P-S3CRET" })
	if s := r.untilLost(); s.Reason == "" || strings.Contains(s.Reason, "T0P-S3CRET") {
		t.Errorf("the reason is %q", s.Reason)
	}
	if err := r.send("a", "x"); err == nil || strings.Contains(err.Error(), "T0P-S3CRET") {
		t.Errorf("want an error without the password, got %v", err)
	}
	right := dial(t, b.Addr(), func(o *mqttconn.Options) { o.User, o.Password = "butler", "right" })
	right.untilConnected()
}

func TestConn_closesWhileTheBrokerDoesNotAnswer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		if conn, err := listener.Accept(); err == nil {
			accepted <- conn
		}
	}()
	r := dial(t, listener.Addr().String(), nil)
	conn := <-accepted
	defer conn.Close()
	began := time.Now()
	r.close()
	if took := time.Since(began); took > patience/2 {
		t.Errorf("closing took %s", took)
	}
	if err := r.send("a", "x"); !errors.Is(err, mqttconn.ErrNotConnected) {
		t.Errorf("want no connection after the end, got %v", err)
	}
}

func TestConn_givesUpABrokerThatNeverAnswersTheHandshake(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	r := dial(t, listener.Addr().String(), func(o *mqttconn.Options) { o.ConnectTimeout = 50 * time.Millisecond })
	r.untilLost()
	r.untilLost()
}

func TestConn_logsConnectAndDisconnect(t *testing.T) {
	b := broker(t, sink.MQTTOptions{})
	r := dial(t, b.Addr(), nil)
	r.untilConnected()
	if err := b.Refuse(true); err != nil {
		t.Fatal(err)
	}
	r.untilLost()
	if err := b.Refuse(false); err != nil {
		t.Fatal(err)
	}
	r.untilConnected()
	r.close()
	for message, want := range map[string]int{"connected to the MQTT broker": 2, "disconnected from the MQTT broker": 1} {
		if n := r.log.FilterMessage(message).Len(); n != want {
			t.Errorf("%q: want %d lines, got %d", message, want, n)
		}
	}
	if r.log.FilterMessage("not connected to the MQTT broker").Len() == 0 {
		t.Error("the loss is not logged")
	}
}

func TestNew_refusesAnAddressWithoutAPort(t *testing.T) {
	if _, err := mqttconn.New(mqttconn.Options{Address: "broker.example.com"}); err == nil {
		t.Error("want an error")
	}
}
