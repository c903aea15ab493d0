// Package slack owns how alerts reach Slack: one message per alert to an
// incoming webhook, laid out by the operator's template or by the built-in one.
//
// It guarantees that a message fits Slack's limits and is valid JSON whatever
// the data and the template hold, that a broken template costs the layout and
// not the alert, and that the webhook address, which is a credential, appears
// in no error. It must never retry or limit: the delivery actor does.
package slack

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"

	"go.uber.org/zap"

	"butler/internal/buildinfo"
	"butler/internal/destination"
	"butler/internal/httpc"
	"butler/internal/logx"
	"butler/internal/template"
	"butler/messages"
)

//go:embed schema.yaml
var schema []byte

//go:embed templates
var files embed.FS

// Definition describes the destination "slack".
func Definition() destination.Definition {
	return destination.Define("slack", destination.Spec[Config, Event]{
		Section: "slackNotification", Route: "slack", Schema: schema, Read: read, Enabled: func(c Config) bool { return c.Enable },
		Uses: uses, CheckUse: check, Instance: instance, New: newSlack, Templates: template.Embedded(files),
	})
}

func instance(_ Config, u destination.Use[Event]) destination.Instance {
	e := u.Settings
	i := destination.Instance{
		Needs:  destination.Needs{Task: true, App: true, Owner: true, Execution: true},
		Window: destination.Seconds(e.RateLimit),
		Select: e.AlertEnableByTag.Select,
		// Slack takes about one message a second per webhook, with short bursts.
		Pace:        destination.Pace{Rate: 1, Burst: 5},
		MaxInFlight: 2,
	}
	if !e.BasicContentOnly {
		i.Needs.ScriptHead, i.Needs.ScriptTail = e.HeadScriptLogLines, e.TailScriptLogLines
	}
	return i
}

// slack posts alerts to one webhook.
type slack struct {
	event     Event
	client    *http.Client
	log       *zap.Logger
	basic     template.Renderer
	templates *template.Set
	files     []string
	builtin   func(messages.AlertKind) string
	fields    template.FieldOptions
}

func newSlack(_ Config, u destination.Use[Event], d destination.Deps) (destination.Destination, error) {
	e := u.Settings
	client, err := d.HTTP(destination.HTTPOptions{})
	if err != nil {
		return nil, err
	}
	basic, err := template.Parse(e.BasicMsgTemplate, template.Line)
	if err != nil {
		return nil, fmt.Errorf("basicMsgTemplate: %w", err)
	}
	return &slack{
		event: e, client: client, log: d.Log, basic: basic,
		templates: template.NewSet(template.SlackJSON, template.Embedded(files), filepath.Join(d.BaseDir, "partials")),
		files:     e.templateFiles(d), builtin: builtinName,
		fields: template.FieldOptions{
			Links: d.Links, Location: d.Location, User: messages.TaskEvent.UserWithSlash,
			HeadLines: e.HeadScriptLogLines, TailLines: e.TailScriptLogLines, Version: buildinfo.Read().Version,
		},
	}, nil
}

// builtinName returns the name of the built-in template of an alert kind.
func builtinName(kind messages.AlertKind) string {
	return cmp.Or(template.BuiltinName(kind), "general")
}

// templateFiles lists where the template may be: as written, and with the
// ending that the shipped templates have.
func (e Event) templateFiles(d destination.Deps) []string {
	if e.TemplateFile == "" {
		return nil
	}
	path := d.Path(e.TemplateFile)
	return []string{path, strings.TrimSuffix(path, template.Extension) + "-qseow" + template.Extension}
}

// Deliver posts one message.
func (s *slack) Deliver(ctx context.Context, n messages.Notice) (destination.Receipt, error) {
	body, from, err := s.body(n)
	if err != nil {
		return destination.Receipt{}, destination.Permanent(err)
	}
	address := s.event.WebhookURL.Reveal()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return destination.Receipt{}, destination.Misconfigured(httpc.Redact(fmt.Errorf("webhookURL: %w", err), address))
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	answer, err := httpc.Send(s.client, req, address)
	if err != nil {
		return destination.Receipt{}, err
	}
	receipt := answer.Receipt()
	receipt.Detail = from
	return receipt, nil
}

// Preview implements destination.Previewer.
func (s *slack) Preview(n messages.Notice) (string, error) {
	body, _, err := s.body(n)
	return string(body), err
}

var _ destination.Previewer = (*slack)(nil)

// body returns the encoded message and what made it.
func (s *slack) body(n messages.Notice) (body []byte, from string, err error) {
	message, from := s.message(n)
	if body, err = template.EncodeJSON(message); err != nil {
		return nil, "", fmt.Errorf("encode message: %w", err)
	}
	return body, from, nil
}

// message returns the whole payload and what made it.
func (s *slack) message(n messages.Notice) (message map[string]any, from string) {
	if s.event.BasicContentOnly {
		n.Alert = basicContent(n.Alert)
	}
	fields := template.Fields(n, s.fields)
	prepare(fields)
	if s.event.basic() {
		message, from = s.basicMessage(fields), "basic message"
	} else {
		message, from = s.formatted(n, fields)
	}
	if !shows(message) {
		message["blocks"], from = plainMessage(fields)["blocks"], from+", which shows nothing, so plain text"
	}
	tell(message, template.Notes(fields))
	fit(message)
	for key, value := range map[string]string{
		"username": s.event.FromUser, "channel": s.event.Channel, "icon_emoji": s.event.IconEmoji,
	} {
		if _, own := message[key]; !own {
			message[key] = value
		}
	}
	return message, from
}

// formatted renders the template, then the built-in one, then does without.
func (s *slack) formatted(n messages.Notice, fields map[string]any) (message map[string]any, from string) {
	d := s.templates.Document(template.Source{Files: s.files, Builtin: s.builtin(n.Alert.Kind)}, fields, plainMessage)
	if d.Warning != nil {
		s.log.Warn("template cannot be used, sending another layout", logx.Destination(n.Instance), logx.NoticeID(n.ID), logx.Err(d.Warning))
	}
	return d.Object, d.From
}

// basicMessage is one line and two buttons.
func (s *slack) basicMessage(fields map[string]any) map[string]any {
	line, err := s.basic.Render(fields)
	if err != nil || line == "" {
		line = headline(fields)
	}
	return basicLayout(line, fields)
}
