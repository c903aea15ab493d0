package app

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/actors/mqttlink"
	"butler/api"
	"butler/internal/apikey"
	"butler/internal/destination"
	"butler/internal/destination/mqtt"
	"butler/internal/logx"
	"butler/internal/mqttconn"
	"butler/internal/starttask"
	"butler/messages"
	"butler/supervisors"
)

// Messages that the MQTT broker sends.

// inbound describes the actor that handles the messages of one connection.
type inbound struct {
	name string
	conn *mqttconn.Conn
	rows []mqttlink.Row
	// attempts is how often the handling of a message is tried; 0 means a few times.
	attempts int
	// onWaiting is called with the reason when messages wait for another attempt, and
	// with "" when none does any more, unless it is nil.
	onWaiting func(why string)
	pid       *actor.PID
}

// receive subscribes a connection to filters and has the actor of inboundChild handle
// its messages by rows. name is that of the connection, a metric label.
func (a *App) receive(name string, conn *mqttconn.Conn, rows []mqttlink.Row, filters ...string) (*inbound, error) {
	in := &inbound{name: name, conn: conn, rows: rows}
	metrics := sharedMetrics(a, mqttconn.NewReceiverMetrics)
	return in, conn.Receive(mqttconn.Receiver{Name: name, Metrics: metrics, Filters: filters, Take: func(m mqttconn.Message) {
		a.kit.System.Root.Send(in.pid, messages.MQTTMessageArrived{
			ID: m.ID, Topic: m.Topic, Payload: string(m.Payload), Retained: m.Retained, At: time.Now(),
		})
	}})
}

// inboundChild returns the actor that handles the messages of a connection. It is not
// critical.
func (a *App) inboundChild(actorName string, in *inbound) supervisors.Child {
	return supervisors.Child{
		Name: actorName, Spawned: func(pid *actor.PID) { in.pid = pid },
		Props: func() *actor.Props {
			return mqttlink.Props(mqttlink.Options{
				Kit: a.kit, Name: in.name, Connection: in.conn, Rows: in.rows, Attempts: in.attempts, OnWaiting: in.onWaiting,
				Log: a.log.Named("mqttlink"), Metrics: sharedMetrics(a, mqttlink.NewMetrics),
			})
		},
	}
}

// receiveMQTT subscribes to the messages that start tasks. Without a root topic there
// is nothing to subscribe to, and it returns nil.
func (g *generation) receiveMQTT(conn *mqttconn.Conn, section mqtt.Config) (*inbound, error) {
	if section.SubscriptionRootTopic == "" {
		return nil, nil
	}
	var rows []mqttlink.Row
	if section.TaskStartTopic != "" {
		rows = append(rows, mqttlink.Row{
			Name: "start_task", Topic: section.TaskStartTopic, IgnoreRetained: true,
			Handle: func(ctx context.Context, m messages.MQTTMessageArrived) error {
				return g.current.Load().startByMessage(ctx, m)
			}, Timeout: startByMessageTimeout, Concurrency: startsByMessage,
		})
	}
	g.startTopic = section.TaskStartTopic
	return g.receive("main", conn, rows, section.SubscriptionRootTopic)
}

const (
	// startsByMessage is how many of these messages are handled concurrently; the starter
	// has limits of its own.
	startsByMessage = 4
	// startByMessageTimeout is longer than the starter takes for a request.
	startByMessageTimeout = 3 * time.Minute
)

// startByMessage starts the tasks that a message asks for. Whoever may publish to the
// topic may start every task that the filter allows. There is no reply; the result is
// in the audit log.
func (g *generation) startByMessage(ctx context.Context, m messages.MQTTMessageArrived) error {
	request, err := starttask.FromMessage([]byte(m.Payload))
	if err != nil {
		return messages.Failure{Kind: messages.FailureRejected, Text: err.Error()}
	}
	if g.starter == nil {
		return errNoStarts
	}
	request.Wait = 0 // nobody waits for the result
	answer := g.starter.Start(ctx, onBehalf(starttask.ByMQTT, m.Topic), request)
	g.log.Info("start request by MQTT", zap.String("topic", m.Topic), logx.Count(answer.TotalTasksStarted),
		zap.String("error", answer.Error), zap.String("details", answer.Details), zap.Strings("warnings", answer.Warnings))
	return answer.Postponed()
}

// publications publishes messages for callers of the REST API.
type publications struct{ gen *generation }

// Publish implements api.MQTT. A message to the start topic comes back to this service
// and starts tasks with all scopes, so the caller needs those that its content uses. So
// may one to the topic with the events of Qlik Cloud, if the brokers are the same.
func (p publications) Publish(ctx context.Context, caller apikey.Principal, topic, message string) error {
	if p.gen.startTopic == topic && !caller.Has(apikey.KV) {
		if request, err := starttask.FromMessage([]byte(message)); err == nil && len(request.KeyValues) > 0 {
			return api.NewProblem(http.StatusForbidden, "a message that stores key-values needs the scope kv, too")
		}
	}
	if p.gen.cloud.forwards(topic) && !caller.Has(apikey.Events) {
		return api.NewProblem(http.StatusForbidden, "a message to the topic with the events of Qlik Cloud needs the scope events, too")
	}
	err := p.gen.mqtt.Publish(ctx, topic, []byte(message))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, mqttconn.ErrNotConnected):
		return api.NewProblem(http.StatusServiceUnavailable, "the MQTT broker is not connected; /health says why")
	}
	p.gen.log.Warn("a message of a REST client could not be published", zap.String("topic", topic), logx.Err(err))
	if kind, _ := destination.KindOf(err); kind == destination.PermanentKind {
		return api.NewProblem(http.StatusBadRequest, "the topic or the message is not valid for MQTT")
	}
	return api.NewProblem(http.StatusServiceUnavailable, "the MQTT broker did not acknowledge the message in time; it may have it nevertheless")
}
