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

// What the MQTT broker sends: messages that start tasks.

// inbound is an actor that handles the messages of one connection.
type inbound struct {
	name string
	conn *mqttconn.Conn
	rows []mqttlink.Row
	// attempts is how often a message is tried; 0 means a few times.
	attempts int
	// onWaiting is told why messages wait for another attempt; nil is fine.
	onWaiting func(why string)
	pid       *actor.PID
}

// receive has the messages of a connection handled by an actor, which inboundChild
// describes. The name of the connection is a metric label.
func (a *App) receive(name string, conn *mqttconn.Conn, rows []mqttlink.Row, filters ...string) (*inbound, error) {
	in := &inbound{name: name, conn: conn, rows: rows}
	metrics := once(a.core, mqttconn.NewReceiverMetrics)
	return in, conn.Receive(mqttconn.Receiver{Name: name, Metrics: metrics, Filters: filters, Take: func(m mqttconn.Message) {
		a.kit.System.Root.Send(in.pid, messages.MQTTMessageArrived{
			ID: m.ID, Topic: m.Topic, Payload: string(m.Payload), Retained: m.Retained, At: time.Now(),
		})
	}})
}

// inboundChild is the actor of a connection. Alerts do not need it.
func (a *App) inboundChild(actorName string, in *inbound) supervisors.Child {
	return supervisors.Child{
		Name: actorName, Spawned: func(pid *actor.PID) { in.pid = pid },
		Props: func() *actor.Props {
			return mqttlink.Props(mqttlink.Options{
				Kit: a.kit, Name: in.name, Connection: in.conn, Rows: in.rows, Attempts: in.attempts, OnWaiting: in.onWaiting,
				Log: a.log.Named("mqttlink"), Metrics: once(a.core, mqttlink.NewMetrics),
			})
		},
	}
}

// receiveMQTT subscribes to what starts tasks, if something is to.
func (a *App) receiveMQTT(conn *mqttconn.Conn, section mqtt.Config) error {
	if section.SubscriptionRootTopic == "" {
		return nil
	}
	var rows []mqttlink.Row
	if section.TaskStartTopic != "" {
		rows = append(rows, mqttlink.Row{
			Name: "start_task", Topic: section.TaskStartTopic, IgnoreRetained: true,
			Handle: func(ctx context.Context, m messages.MQTTMessageArrived) error {
				return a.current.Load().startByMessage(ctx, m)
			}, Timeout: startByMessageTimeout, Concurrency: startsByMessage,
		})
	}
	a.startTopic = section.TaskStartTopic
	in, err := a.receive("main", conn, rows, section.SubscriptionRootTopic)
	a.inbound = in
	return err
}

const (
	// startsByMessage is how many messages start tasks at a time; the starter has its own limits.
	startsByMessage = 4
	// startByMessageTimeout is longer than what the starter takes for a request.
	startByMessageTimeout = 3 * time.Minute
)

// startByMessage starts the tasks that a message asks for. Who may publish to the
// topic may start what the filter allows. Nobody is answered: the audit log tells.
func (a *App) startByMessage(ctx context.Context, m messages.MQTTMessageArrived) error {
	request, err := starttask.FromMessage([]byte(m.Payload))
	if err != nil {
		return messages.Failure{Kind: messages.FailureRejected, Text: err.Error()}
	}
	if a.starter == nil {
		return errNoStarts
	}
	request.Wait = 0 // there is nobody to tell
	answer := a.starter.Start(ctx, onBehalf(starttask.ByMQTT, m.Topic), request)
	a.log.Info("start request by MQTT", zap.String("topic", m.Topic), logx.Count(answer.TotalTasksStarted),
		zap.String("error", answer.Error), zap.String("details", answer.Details), zap.Strings("warnings", answer.Warnings))
	return answer.Postponed()
}

// publications are the messages that callers of the REST API publish.
type publications struct{ app *App }

// Publish implements api.MQTT. A message to the start topic comes back and starts
// tasks with all rights, so the caller needs those that it would use.
func (p publications) Publish(ctx context.Context, caller apikey.Principal, topic, message string) error {
	if p.app.startTopic == topic && !caller.Has(apikey.KV) {
		if request, err := starttask.FromMessage([]byte(message)); err == nil && len(request.KeyValues) > 0 {
			return api.NewProblem(http.StatusForbidden, "a message that stores key-values needs the scope kv, too")
		}
	}
	err := p.app.mqtt.Publish(ctx, topic, []byte(message))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, mqttconn.ErrNotConnected):
		return api.NewProblem(http.StatusServiceUnavailable, "the MQTT broker is not connected; /health says why")
	}
	p.app.log.Warn("message of the REST API is not published", zap.String("topic", topic), logx.Err(err))
	if kind, _ := destination.KindOf(err); kind == destination.PermanentKind {
		return api.NewProblem(http.StatusBadRequest, "no broker takes such a message")
	}
	return api.NewProblem(http.StatusServiceUnavailable, "the MQTT broker did not acknowledge the message in time; it may have it nevertheless")
}
