// Package webhook owns the delivery of alerts to any HTTP address of the
// operator's choice.
//
// It guarantees that every configured address is an instance of its own: one
// that is down, slow or wrongly configured delays and stops none of the others.
// The message has the same fields in a query (GET) and in a JSON object (POST,
// PUT), and carries an idempotency key, for a message may arrive twice. It must
// never show an address in full: path and query are secrets with most receivers.
package webhook

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.uber.org/zap"

	"butler/internal/destination"
	"butler/internal/httpc"
	"butler/internal/logx"
	"butler/internal/secret"
	"butler/messages"
)

const name = "webhook"

// timeout bounds one call.
const timeout = 10 * time.Second

//go:embed schema.yaml
var schema []byte

// Definition describes the destination.
func Definition() destination.Definition {
	return destination.Define(name, destination.Spec[Config]{
		Section: "webhookNotification", Schema: schema, Check: check, Instances: instances, New: build,
	})
}

// Config is the section webhookNotification.
type Config struct {
	Enable            bool
	ReloadTaskFailure Event
	ReloadTaskAborted Event
}

// Event configures the webhooks of one alert kind.
type Event struct {
	// RateLimit is in seconds; 0 means none.
	RateLimit int
	Webhooks  []Webhook
}

// Webhook is one configured address.
type Webhook struct {
	Description string
	WebhookURL  secret.String
	HTTPMethod  string
	Cert        Cert
}

// Cert is how the certificate of one address is verified.
type Cert struct {
	Enable             bool
	RejectUnauthorized bool
	CertCA             string
}

// event is an alert kind with its part of the configuration.
type event struct {
	kind    messages.AlertKind
	section string
	Event
}

// path names the key of one webhook.
func (e event) path(index int) string { return fmt.Sprintf("%s.webhooks[%d]", e.section, index) }

func (c Config) events() []event {
	return []event{
		{messages.ReloadTaskFailed, "reloadTaskFailure", c.ReloadTaskFailure},
		{messages.ReloadTaskAborted, "reloadTaskAborted", c.ReloadTaskAborted},
	}
}

func instanceName(kind messages.AlertKind, index int) string {
	return fmt.Sprintf("%s/%s/%d", name, kind, index+1)
}

func instances(c Config) []destination.Instance {
	if !c.Enable {
		return nil
	}
	var out []destination.Instance
	for _, e := range c.events() {
		for i := range e.Webhooks {
			out = append(out, destination.Instance{
				Name: instanceName(e.kind, i), Path: e.path(i), Kinds: []messages.AlertKind{e.kind},
				Needs:  destination.Needs{App: true, Owner: true},
				Window: time.Duration(e.RateLimit) * time.Second, Timeout: timeout,
			})
		}
	}
	return out
}

// build returns the webhook of an instance, or, when its CA file is not there, a
// stand-in that says so to everybody who asks: files come and go, and one that
// is missing must not keep the program from starting.
func build(c Config, i destination.Instance, d destination.Deps) (destination.Destination, error) {
	for _, e := range c.events() {
		for index, w := range e.Webhooks {
			if instanceName(e.kind, index) != i.Name {
				continue
			}
			sender, err := newSender(w, d)
			if err != nil {
				err = fmt.Errorf("webhook %d of %s (%s): %w", index+1, e.kind, httpc.Sanitise(w.Description, 100), err)
				d.Log.Error("webhook cannot be used until its configuration is mended", logx.Destination(i.Name), zap.String("description", w.Description), logx.Err(err))
				return &unusable{err: destination.Misconfigured(err)}, nil
			}
			return sender, nil
		}
	}
	return nil, fmt.Errorf("BUG: no webhook is called %q", i.Name)
}

// sender delivers to one address.
type sender struct {
	client *http.Client
	method string
	target *url.URL
}

func newSender(w Webhook, d destination.Deps) (*sender, error) {
	target, err := url.Parse(w.WebhookURL.Reveal())
	if err != nil {
		// The text of the error holds the address.
		return nil, errors.New("webhookURL is no URL")
	}
	client, err := d.HTTP(w.Cert.options(d))
	if err != nil {
		return nil, err
	}
	return &sender{client: client, method: cmp.Or(strings.ToUpper(w.HTTPMethod), http.MethodPost), target: target}, nil
}

// options describe the client of a webhook.
func (c Cert) options(d destination.Deps) destination.HTTPOptions {
	out := destination.HTTPOptions{Timeout: timeout}
	if c.Enable {
		out.InsecureSkipVerify, out.CAFile = !c.RejectUnauthorized, d.Path(c.CertCA)
	}
	return out
}

// Deliver implements destination.Destination.
func (s *sender) Deliver(ctx context.Context, n messages.Notice) (destination.Receipt, error) {
	req, err := s.request(ctx, n)
	if err != nil {
		return destination.Receipt{}, destination.Permanent(httpc.Redact(err, s.target.String()))
	}
	answer, err := httpc.Send(s.client, req)
	if err != nil {
		return destination.Receipt{}, err
	}
	return answer.Receipt(), nil
}

// unusable stands in for a webhook whose configuration cannot work.
type unusable struct{ err error }

// Deliver implements destination.Destination.
func (u *unusable) Deliver(context.Context, messages.Notice) (destination.Receipt, error) {
	return destination.Receipt{}, u.err
}
