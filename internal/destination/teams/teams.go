// Package teams owns how alerts reach Microsoft Teams: one card per alert to the
// address of a workflow or of a connector, laid out by the operator's template
// or by the built-in one.
//
// It guarantees that a message fits Teams' size and is valid JSON whatever the
// data and the template hold, that a broken template costs the layout and not
// the alert, and that the address, which is a credential, appears in no error.
// It must never retry or limit: the delivery actor does.
package teams

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"

	"go.uber.org/zap"

	"butler/internal/buildinfo"
	"butler/internal/destination"
	"butler/internal/httpc"
	"butler/internal/template"
	"butler/messages"
)

//go:embed schema.yaml
var schema []byte

//go:embed templates
var files embed.FS

// Definition describes the destination "teams".
func Definition() destination.Definition {
	return destination.Define("teams", destination.Spec[Config, Event]{
		Section: "teamsNotification", Route: "teams", Schema: schema, Read: read, Enabled: func(c Config) bool { return c.Enable },
		Uses: uses, CheckUse: check, Instance: instance, New: newTeams, Templates: template.Embedded(files),
	})
}

func instance(_ Config, u destination.Use[Event]) destination.Instance {
	e := u.Settings
	i := destination.Instance{
		Needs:  destination.Needs{Task: true, App: true, Owner: true, Execution: true},
		Window: destination.Seconds(e.RateLimit),
		Select: e.AlertEnableByTag.Select,
		// Teams takes four messages a second per address, and fewer for long.
		Pace:        destination.Pace{Rate: 1, Burst: 4},
		MaxInFlight: 2,
	}
	if !e.BasicContentOnly {
		i.Needs.ScriptHead, i.Needs.ScriptTail = e.HeadScriptLogLines, e.TailScriptLogLines
	}
	return i
}

// teams posts alerts to one address.
type teams struct {
	event     Event
	client    *http.Client
	log       *zap.Logger
	basic     template.Renderer
	templates *template.Set
	files     []string
	fields    template.FieldOptions
}

func newTeams(_ Config, u destination.Use[Event], d destination.Deps) (destination.Destination, error) {
	e := u.Settings
	client, err := d.HTTP(destination.HTTPOptions{})
	if err != nil {
		return nil, err
	}
	basic, err := template.Parse(e.BasicMsgTemplate, template.Line)
	if err != nil {
		return nil, fmt.Errorf("basicMsgTemplate: %w", err)
	}
	return &teams{
		event: e, client: client, log: d.Log, basic: basic,
		templates: template.NewSet(template.TeamsJSON, template.Embedded(files), filepath.Join(d.BaseDir, "partials")),
		files:     e.templateFiles(d),
		fields: template.FieldOptions{
			Links: d.Links, Location: d.Location, User: messages.TaskEvent.UserWithSlash,
			HeadLines: e.HeadScriptLogLines, TailLines: e.TailScriptLogLines, Version: buildinfo.Read().Version,
		},
	}, nil
}

// Deliver posts one message.
func (t *teams) Deliver(ctx context.Context, n messages.Notice) (destination.Receipt, error) {
	body, from, err := t.message(n)
	if err != nil {
		return destination.Receipt{}, destination.Permanent(fmt.Errorf("encode message: %w", err))
	}
	address := t.event.WebhookURL.Reveal()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return destination.Receipt{}, destination.Misconfigured(httpc.Redact(fmt.Errorf("webhookURL: %w", err), address))
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := httpc.Send(t.client, req, address)
	if err == nil {
		err = refusal(answer, req)
	}
	if err != nil {
		return destination.Receipt{}, err
	}
	receipt := answer.Receipt()
	receipt.Detail = from
	return receipt, nil
}

// Preview implements destination.Previewer.
func (t *teams) Preview(n messages.Notice) (string, error) {
	body, _, err := t.message(n)
	return string(body), err
}

var (
	refused     = []byte("Webhook message delivery failed")
	refusedWith = regexp.MustCompile(`returned HTTP error ([3-5][0-9]{2})\b`)
)

// refusal returns the error that a connector hides in an answer with status 200:
// it answers for itself, and tells in the text what Teams said.
func refusal(answer httpc.Answer, req *http.Request) error {
	if !bytes.HasPrefix(bytes.TrimSpace(answer.Body), refused) {
		return nil
	}
	said := refusedWith.FindSubmatch(answer.Body)
	if said == nil {
		return errors.New("the connector could not hand the message to Teams")
	}
	code, err := strconv.Atoi(string(said[1]))
	if err != nil {
		return err
	}
	return httpc.Check(&http.Response{
		StatusCode: code, Header: answer.Header, Body: io.NopCloser(bytes.NewReader(answer.Body)), Request: req,
	})
}
