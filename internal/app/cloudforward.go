package app

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"

	"butler/actors/mqttlink"
	"butler/config"
	"butler/internal/mqttconn"
	"butler/internal/mqttconn/topic"
	"butler/internal/secret"
	"butler/internal/wholefile"
	"butler/messages"
	"butler/supervisors"
)

// The MQTT broker to which a gateway forwards the events of Qlik Cloud.

// mqttForward is the section mqttConfig.qlikSenseCloud.event.mqttForward.
type mqttForward struct {
	Enable bool
	Broker struct {
		Host         string
		Port         int
		Username     string
		Password     secret.String
		CA           string
		ClientID     string
		CleanSession bool
	}
	Topic struct{ SubscriptionRoot, AppReload string }
}

// readForward reads the section. Enable is true only if mqttConfig.enable is, too.
func readForward(cfg *config.Config) (f mqttForward, err error) {
	var mqtt bool
	if err = cfg.Section("mqttConfig.enable", &mqtt); err != nil {
		return f, err
	}
	err = cfg.Section("mqttConfig.qlikSenseCloud.event.mqttForward", &f)
	f.Enable = f.Enable && mqtt
	return f, err
}

const (
	// forwardComponent is the health of the connection to the broker.
	forwardComponent = "qlikcloud/mqtt"
	// waitingComponent is degraded while events of the broker cannot be journalled.
	waitingComponent = "qlikcloud/events"
	// forwardStatusTopic gets a message after every connect.
	forwardStatusTopic = "butler/qscloud/event/mqttforward/status"
	// forwardConcurrency is how many events are journalled concurrently; they share a write.
	forwardConcurrency = 64
)

// buildForward adds the connection to the broker to the part of the tenant, if it is
// enabled. An event is acknowledged when it is journalled, which is tried until it
// succeeds.
func (in *cloudIntake) buildForward(p *part) error {
	section, err := readForward(in.gen.cfg)
	if err != nil || !section.Enable {
		return err
	}
	broker := section.Broker
	files := mqttconn.TLSFiles{CA: broker.CA}
	if files.CA != "" {
		files.CA = in.gen.cfg.Path(files.CA)
	}
	address := net.JoinHostPort(broker.Host, strconv.Itoa(broker.Port))
	conn, err := mqttconn.New(mqttconn.Options{
		Address: address, StatusName: `"mqtts://` + address + `"`, ClientID: broker.ClientID, KeepSession: broker.ClientID != "" && !broker.CleanSession,
		User: broker.Username, Password: broker.Password, TLS: files.Settings, StatusTopic: forwardStatusTopic, OnState: in.onForward,
		Random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), Log: in.gen.log.Named("mqtt"),
	})
	if err != nil {
		return fmt.Errorf("set up the broker with events of Qlik Cloud (mqttConfig.qlikSenseCloud.event.mqttForward): %w", err)
	}
	rows := []mqttlink.Row{{
		Name: "cloud_event", Topic: section.Topic.AppReload, Below: true, IgnoreRetained: true, Handle: in.takeForwarded, Concurrency: forwardConcurrency,
	}}
	in.forwardRow = rows[0]
	if in.forwarded, err = in.gen.receive("cloud", conn, rows, section.Topic.SubscriptionRoot); err != nil {
		return fmt.Errorf("subscribe to events of Qlik Cloud (mqttConfig.qlikSenseCloud.event.mqttForward.topic.subscriptionRoot): %w", err)
	}
	in.forwarded.attempts, in.forwarded.onWaiting = mqttlink.Unlimited, in.onWaiting
	p.actors = append(p.actors, in.gen.inboundChild("cloudlink", in.forwarded))
	p.components = append(p.components, forwardComponent, waitingComponent)
	p.open = in.connect
	p.closer.add("MQTT connection for Qlik Cloud", conn.Close)
	return nil
}

// forwards reports whether a message of the topic is an event.
func (in *cloudIntake) forwards(name string) bool {
	return in != nil && in.forwarded != nil && in.forwardRow.Fits(name)
}

// connect starts the connection to the broker.
func (in *cloudIntake) connect() {
	in.gen.health.Set(forwardComponent, supervisors.Degraded, "not connected yet")
	in.forwarded.conn.Start()
}

func (in *cloudIntake) onForward(s mqttconn.State) {
	state := supervisors.Up
	if !s.Connected || s.Reason != "" {
		state = supervisors.Degraded
	}
	in.gen.health.Set(forwardComponent, state, s.Reason)
}

// onWaiting reports why events are not acknowledged, "" when none is waiting.
func (in *cloudIntake) onWaiting(why string) {
	if why == "" {
		in.gen.health.Set(waitingComponent, supervisors.Up, "")
		return
	}
	in.gen.health.Set(waitingComponent, supervisors.Degraded, "events of the broker cannot be journalled and are tried again: "+why)
}

// takeForwarded takes an event from the broker. A refused event is not tried again.
func (in *cloudIntake) takeForwarded(ctx context.Context, m messages.MQTTMessageArrived) error {
	switch outcome, why := in.take(ctx, []byte(m.Payload), m.Topic); outcome {
	case messages.CloudRefused:
		return messages.Failure{Kind: messages.FailureRejected, Text: why}
	case messages.CloudBusy:
		return messages.Failure{Kind: messages.FailureBusy, Text: why}
	default:
		return nil
	}
}

// forwardFindings returns what keeps events from being received from the broker.
func forwardFindings(cfg *config.Config, section mqttForward) []config.Finding {
	const path = "mqttConfig.qlikSenseCloud.event.mqttForward."
	var out []config.Finding
	if err := topic.CheckFilter(section.Topic.SubscriptionRoot); err != nil {
		out = append(out, config.Finding{Path: path + "topic.subscriptionRoot", Reason: err.Error(), Suggestion: "write it like qscloud/#"})
	}
	if section.Topic.AppReload == "" {
		out = append(out, config.Finding{Path: path + "topic.appReload", Reason: "is empty", Suggestion: "write it like qscloud/app/reload"})
	}
	if !section.Broker.CleanSession && section.Broker.ClientID == "" {
		out = append(out, config.Finding{
			Path: path + "broker.clientId", Reason: "is empty while cleanSession is false: the broker could not tell who comes back",
			Suggestion: "write a name that no other client of the broker has",
		})
	}
	if file := section.Broker.CA; file != "" {
		if err := wholefile.Openable(cfg.Path(file)); err != nil {
			out = append(out, config.Finding{Path: path + "broker.ca", Reason: fmt.Sprintf("cannot be read: %v", err), Suggestion: "name a PEM file, or leave it empty"})
		}
	}
	return out
}
