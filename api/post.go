package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"butler/api/web"
)

// Slack sends messages that callers write. An error says why one did not arrive,
// without anything secret, and so it is with New Relic.
type Slack interface {
	Post(ctx context.Context, m SlackMessage) error
}

// SlackMessage is a message with Slack's formatting. Only Text has to be there.
type SlackMessage struct{ Channel, From, Text, Emoji string }

// NewRelic sends what callers have counted and read, to every account that is
// configured: no error means that all have accepted it.
type NewRelic interface {
	Event(ctx context.Context, e NewRelicEvent) error
	Metric(ctx context.Context, m NewRelicMetric) error
}

// NewRelicEvent is an event. Attributes are texts and numbers.
type NewRelicEvent struct {
	Type string
	// Timestamp is in milliseconds since 1970.
	Timestamp  int64
	Attributes map[string]any
}

// NewRelicMetric is a gauge. Attributes are texts and numbers.
type NewRelicMetric struct {
	Name  string
	Value float64
	// Timestamp is in milliseconds since 1970.
	Timestamp  int64
	Attributes map[string]any
}

// The bounds of what is sent on, in characters and items.
const (
	maxPostName   = 254
	maxPostValue  = 4096
	maxAttributes = 200
)

// slackEcho is the answer to a message: what was sent.
type slackEcho struct {
	Channel  string `json:"channel"`
	FromUser string `json:"from_user"`
	Msg      string `json:"msg"`
	Emoji    string `json:"emoji"`
}

func (r *rest) slackPost(c *call) (int, any, error) {
	body, err := c.object()
	if err != nil {
		return 0, nil, err
	}
	m := SlackMessage{}
	if m.Channel, err = body.requiredText("channel", maxPostName); err != nil {
		return 0, nil, err
	}
	if m.From, err = body.requiredText("from_user", maxPostName); err != nil {
		return 0, nil, err
	}
	if m.Text, err = body.nonEmptyText("msg"); err != nil {
		return 0, nil, err
	}
	if m.Emoji, _, err = body.text("emoji"); err != nil {
		return 0, nil, err
	}
	ctx, cancel := web.Bounded()
	defer cancel()
	if err := r.opts.Slack.Post(ctx, m); err != nil {
		return 0, nil, fmt.Errorf("the message did not reach Slack: %w", err)
	}
	return http.StatusCreated, slackEcho{m.Channel, m.From, m.Text, m.Emoji}, nil
}

// accepted is the whole answer to an event or a metric.
const accepted = "Accepted"

func (r *rest) newRelicEvent(c *call) (int, any, error) {
	body, err := c.object()
	if err != nil {
		return 0, nil, err
	}
	e := NewRelicEvent{}
	if e.Type, err = body.named("eventType"); err != nil {
		return 0, nil, err
	}
	if e.Timestamp, e.Attributes, err = r.observed(body); err != nil {
		return 0, nil, err
	}
	ctx, cancel := web.Bounded()
	defer cancel()
	if err := r.opts.NewRelic.Event(ctx, e); err != nil {
		return 0, nil, fmt.Errorf("not passed on to New Relic: %w", err)
	}
	return http.StatusAccepted, accepted, nil
}

func (r *rest) newRelicMetric(c *call) (int, any, error) {
	body, err := c.object()
	if err != nil {
		return 0, nil, err
	}
	m := NewRelicMetric{}
	if m.Name, err = body.named("name"); err != nil {
		return 0, nil, err
	}
	switch kind, err := body.nonEmptyText("type"); {
	case err != nil:
		return 0, nil, err
	case kind != "gauge":
		return 0, nil, body.refuse("type", "gauge")
	}
	if _, there := body.members["value"]; !there {
		return 0, nil, body.missing("value")
	}
	if m.Value, err = body.number("value"); err != nil {
		return 0, nil, err
	}
	if _, err = body.number("interval"); err != nil { // of no use for a gauge
		return 0, nil, err
	}
	if m.Timestamp, m.Attributes, err = r.observed(body); err != nil {
		return 0, nil, err
	}
	ctx, cancel := web.Bounded()
	defer cancel()
	if err := r.opts.NewRelic.Metric(ctx, m); err != nil {
		return 0, nil, fmt.Errorf("not passed on to New Relic: %w", err)
	}
	return http.StatusAccepted, accepted, nil
}

// observed returns when something was observed, which is now unless the body says
// otherwise, and what else is said of it.
func (r *rest) observed(body values) (at int64, attributes map[string]any, err error) {
	const latest = float64(1 << 53)
	ms, err := body.number("timestamp")
	if err != nil {
		return 0, nil, err
	}
	if ms > latest {
		return 0, nil, body.refuse("timestamp", "in milliseconds since 1970")
	}
	at = int64(ms)
	if at <= 0 {
		at = r.opts.Now().UnixMilli()
	}
	attributes, err = body.attributes("attributes")
	return at, attributes, err
}

// attributes returns a member that is a list of names with their values. A number
// stays one; of two with one name the later counts.
func (v values) attributes(name string) (map[string]any, error) {
	member := v.members[name]
	list, ok := member.([]any)
	if !ok && member != nil {
		list = []any{member}
	}
	if len(list) > maxAttributes {
		return nil, web.Problemf(http.StatusBadRequest, web.CodeValidation, "%s/%s must NOT have more than %d items", v.where, name, maxAttributes)
	}
	out := make(map[string]any, len(list))
	for i, item := range list {
		one := values{where: fmt.Sprintf("%s/%s/%d", v.where, name, i)}
		if one.members, ok = item.(map[string]any); !ok {
			return nil, web.Problemf(http.StatusBadRequest, web.CodeValidation, "%s must be object", one.where)
		}
		key, err := one.named("name")
		if err != nil {
			return nil, err
		}
		if out[key], err = one.attribute("value"); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// named returns a member that must be there and hold a name.
func (v values) named(name string) (string, error) {
	if _, err := v.nonEmptyText(name); err != nil {
		return "", err
	}
	return v.requiredText(name, maxPostName)
}

// attribute returns a member that is a text or a number.
func (v values) attribute(name string) (any, error) {
	if number, ok := v.members[name].(json.Number); ok {
		if n, err := number.Float64(); err == nil && n-n == 0 {
			return n, nil
		}
		return nil, v.refuse(name, "number")
	}
	return v.requiredText(name, maxPostValue)
}
