package api

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"butler/internal/apikey"
)

// airwaves is a broker that keeps what is published.
type airwaves struct {
	got []string
	err error
}

func (a *airwaves) Publish(_ context.Context, _ apikey.Principal, topic, message string) error {
	if a.err == nil {
		a.got = append(a.got, topic+" "+message)
	}
	return a.err
}

func TestContract_mqttPublish(t *testing.T) {
	const path = "/v4/mqttpublishmessage"
	gone := NewProblem(http.StatusServiceUnavailable, "the MQTT broker is not connected")
	for _, row := range []struct {
		request
		err  error
		sent string
	}{
		{request: request{name: "a message", body: `{"topic":"plant/sales/ready","message":"batch=42"}`, want: 201, answer: `{"topic":"plant/sales/ready","message":"batch=42"}`}, sent: "plant/sales/ready batch=42"},
		{request: request{name: "with more than is needed", body: `{"topic":"a","message":"m","qos":2,"more":{"x":[1]}}`, want: 201, answer: `{"topic":"a","message":"m","qos":2,"more":{"x":[1]}}`}, sent: "a m"},
		{request: request{name: "a number", body: `{"topic":"a","message":5}`, want: 201}, sent: "a 5"},
		{request: request{name: "an empty message", body: `{"topic":"a","message":""}`, want: 201}, sent: "a "},
		{request: request{name: "as load scripts do", method: "POST", header: http.Header{"X-Http-Method-Override": {"PUT"}}, body: `{"topic":"a","message":"m"}`, want: 201}, sent: "a m"},
		{request: request{name: "no topic", body: `{"message":"m"}`, want: 400}},
		{request: request{name: "an empty topic", body: `{"topic":"","message":"m"}`, want: 400}},
		{request: request{name: "no message", body: `{"topic":"a"}`, want: 400}},
		{request: request{name: "no body", want: 400}},
		{request: request{name: "a list", body: `[]`, want: 400}},
		{request: request{name: "a message that is an object", body: `{"topic":"a","message":{}}`, want: 400}},
		{request: request{name: "a wildcard", body: `{"topic":"a/+/b","message":"m"}`, want: 400}},
		{request: request{name: "another", body: `{"topic":"a/#","message":"m"}`, want: 400}},
		{request: request{name: "a line break", body: `{"topic":"a\nb","message":"m"}`, want: 400}},
		{request: request{name: "a topic that is too long", body: `{"topic":"` + strings.Repeat("x", 1<<16) + `","message":"m"}`, want: 400}},
		{request: request{name: "no JSON", body: `topic=a`, header: http.Header{"Content-Type": {"text/plain"}}, want: 415}},
		{request: request{name: "the broker is gone", body: `{"topic":"a","message":"m"}`, want: 503}, err: gone},
	} {
		broker := &airwaves{err: row.err}
		c := newContract(t, func(o *Options) { o.MQTT = broker })
		row.target = path
		if row.method == "" {
			row.method = "PUT"
		}
		c.call(path, row.request)
		if got := strings.Join(broker.got, "; "); got != row.sent {
			t.Errorf("%s: want %q published, got %q", row.name, row.sent, got)
		}
	}
	newContract(t, nil).call(path, request{name: "MQTT is off", method: "PUT", target: path, body: `{"topic":"a","message":"m"}`, want: 503})
}

func TestContract_mqttPublishNeedsTheRightToStart(t *testing.T) {
	const path = "/v4/mqttpublishmessage"
	for key, want := range map[string]int{"": 401, "guess": 401, "reader": 403, "writer": 403, "hr": 403, "starter": 201, "admin": 201} {
		c := newContract(t, func(o *Options) { o.MQTT, o.Access = &airwaves{}, startKeys })
		header := http.Header{}
		if key != "" {
			header = withKey(key)
		}
		c.call(path, request{name: key, method: "PUT", target: path, body: `{"topic":"a","message":"m"}`, header: header, want: want})
	}
}

// gauge tells of a queue.
type gauge struct{ err error }

func (g gauge) Status(context.Context) (UDPQueueStatus, error) {
	return UDPQueueStatus{
		Listening: true, Address: "0.0.0.0:9998", MessagesReceived: 20, MessagesQueued: 17, MessagesStored: 15, MessagesProcessed: 12, MessagesFailed: 2,
		MessagesDroppedTotal: 10, MessagesDroppedRateLimit: 1, MessagesDroppedQueueFull: 1, MessagesDroppedSize: 1, MessagesDroppedDuplicate: 7,
		MessagesRefusedSource: 4, MessagesDroppedKernel: 5, QueueSize: 3, QueueMaxSize: 200, QueueUtilizationPct: 1.5, OldestWaitingSeconds: 0.4,
		RateLimitCurrent: 30, BackpressureActive: true,
	}, g.err
}

func TestContract_udpQueue(t *testing.T) {
	const path = "/v4/udpqueue"
	with := func(q UDPQueue) func(*Options) { return func(o *Options) { o.UDPQueue, o.Access = q, known } }
	get := func(name string, header http.Header, want int) request {
		return request{name: name, method: "GET", target: path, header: header, want: want}
	}
	status := get("status", withKey("reader"), 200)
	status.answer = `{"listening":true,"address":"0.0.0.0:9998","messagesReceived":20,"messagesQueued":17,"messagesStored":15,"messagesProcessed":12,` +
		`"messagesFailed":2,"messagesDroppedTotal":10,"messagesDroppedRateLimit":1,"messagesDroppedQueueFull":1,"messagesDroppedSize":1,` +
		`"messagesDroppedDuplicate":7,"messagesRefusedSource":4,"messagesDroppedKernel":5,"queueSize":3,"queueMaxSize":200,` +
		`"queueUtilizationPct":1.5,"oldestWaitingSeconds":0.4,"rateLimitCurrent":30,"backpressureActive":true}`
	c := newContract(t, with(gauge{}))
	c.call(path, status)
	c.call(path, get("no key", nil, 401))
	c.call(path, get("a key of another", withKey("writer"), 403))
	newContract(t, with(nil)).call(path, get("no task events", withKey("reader"), 503))
	newContract(t, with(gauge{errors.New("the actor does not run")})).call(path, get("nobody answers", withKey("reader"), 500))
}
