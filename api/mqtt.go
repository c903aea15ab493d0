package api

import (
	"context"
	"encoding/json"
	"net/http"

	"butler/api/web"
	"butler/internal/apikey"
	"butler/internal/mqttconn/topic"
)

// MQTT publishes messages that callers write.
type MQTT interface {
	// Publish returns nil when the broker has acknowledged the message. What the
	// caller may not have published, and a broker that is not there, are a Problem.
	Publish(ctx context.Context, caller apikey.Principal, topic, message string) error
}

// mqttPublish publishes one message and answers with what it was sent.
func (r *rest) mqttPublish(c *call) (int, any, error) {
	body, err := c.object()
	if err != nil {
		return 0, nil, err
	}
	name, err := body.nonEmptyText("topic")
	if err != nil {
		return 0, nil, err
	}
	if err := topic.Check(name); err != nil {
		return 0, nil, web.Problemf(http.StatusBadRequest, web.CodeValidation, "body/topic %s", err)
	}
	message, there, err := body.text("message")
	if err != nil {
		return 0, nil, err
	}
	if !there {
		return 0, nil, body.missing("message")
	}
	if r.opts.MQTT == nil {
		return 0, nil, web.Problemf(http.StatusServiceUnavailable, "", "MQTT is not enabled; set Butler.mqttConfig.enable")
	}
	ctx, cancel := web.Bounded()
	defer cancel()
	if err := r.opts.MQTT.Publish(ctx, r.starting(c).Principal, name, message); err != nil {
		return 0, nil, err
	}
	raw, err := c.raw()
	return http.StatusCreated, json.RawMessage(raw), err
}
