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
	return destination.Define(name, destination.Spec[Config, Target]{
		Section: "webhookNotification", Route: name, Schema: schema, Enabled: func(c Config) bool { return c.Enable },
		Uses: uses, CheckUse: check, Instance: instance, New: build,
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

// Target is one address with the limit on its calls.
type Target struct {
	Webhook `mapstructure:",squash"`
	// RateLimit is in seconds; 0 means none.
	RateLimit int
}

// uses lists the addresses of all sections.
func uses(c Config) []destination.Use[Target] {
	if !c.Enable {
		return nil
	}
	var out []destination.Use[Target]
	for _, e := range []struct {
		kind    messages.AlertKind
		section string
		Event
	}{
		{messages.ReloadTaskFailed, "reloadTaskFailure", c.ReloadTaskFailure},
		{messages.ReloadTaskAborted, "reloadTaskAborted", c.ReloadTaskAborted},
	} {
		for i, w := range e.Webhooks {
			out = append(out, destination.Use[Target]{
				Name: fmt.Sprintf("%s/%d", e.kind, i+1), Path: fmt.Sprintf("webhookNotification.%s.webhooks[%d]", e.section, i),
				Kinds: []messages.AlertKind{e.kind}, Settings: Target{Webhook: w, RateLimit: e.RateLimit},
			})
		}
	}
	return out
}

func instance(_ Config, u destination.Use[Target]) destination.Instance {
	return destination.Instance{
		Needs:  destination.Needs{App: true, Owner: true},
		Window: time.Duration(u.Settings.RateLimit) * time.Second, Timeout: timeout,
	}
}

// build returns the webhook of a use, or, when its CA file is not there, a
// stand-in that says so to everybody who asks: files come and go, and one that
// is missing must not keep the program from starting.
func build(_ Config, u destination.Use[Target], d destination.Deps) (destination.Destination, error) {
	w := u.Settings.Webhook
	sender, err := newSender(w, d)
	if err != nil {
		err = fmt.Errorf("webhook %s (%s): %w", u.Name, httpc.Sanitise(w.Description, 100), err)
		d.Log.Error("webhook cannot be used until its configuration is mended", logx.Destination(name+"/"+u.Name), zap.String("description", w.Description), logx.Err(err))
		return &unusable{err: destination.Misconfigured(err)}, nil
	}
	return sender, nil
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
