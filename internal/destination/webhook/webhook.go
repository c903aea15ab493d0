// Package webhook owns the delivery of alerts to HTTP addresses that the operator chooses.
//
// It carries every event: each has its own text in "event", and each family one set
// of fields (tasks, Windows services, the server licence, app reloads in Qlik Cloud).
// It guarantees that every configured address is an instance of its own: one that is
// down, slow or misconfigured neither delays nor stops others. The message has the
// same fields in a query (GET) and in a JSON object (POST, PUT), and carries an
// idempotency key, because a message may arrive twice. It must never show a full
// address: for most receivers path and query are secrets.
package webhook

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"butler/internal/destination"
	"butler/internal/httpc"
	"butler/internal/logx"
	"butler/internal/text"
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
		Section: "webhookNotification", Route: name, Schema: schema, Read: read,
		Enabled: func(c Config) bool { return c.Enable }, Uses: uses, CheckUse: check, Address: Target.address, Instance: instance, New: newSender,
	})
}

func instance(_ Config, u destination.Use[Target]) destination.Instance {
	return destination.Instance{
		// Only messages about app reloads in Qlik Cloud contain the execution result.
		Needs:  destination.Needs{Task: true, App: true, Owner: true, Execution: slices.Contains(u.Kinds, messages.CloudReloadFailed)},
		Select: u.Settings.gate.Select,
		Window: destination.Seconds(u.Settings.RateLimit), Timeout: timeout,
	}
}

// newSender returns the webhook of a use. If its CA file is missing, the webhook's
// attempts and probes fail until the file exists: the program must start
// nevertheless, and the webhook must work without a restart once it is there.
func newSender(_ Config, u destination.Use[Target], d destination.Deps) (destination.Destination, error) {
	w := u.Settings.Webhook
	target, err := url.Parse(w.WebhookURL.Reveal())
	if err != nil {
		// The text of the error contains the address.
		return nil, errors.New("webhookURL is not a valid URL")
	}
	s := &sender{method: cmp.Or(strings.ToUpper(w.HTTPMethod), http.MethodPost), target: target}
	s.open = func() (*http.Client, error) {
		client, err := d.HTTP(w.Cert.options(d))
		if err != nil {
			err = destination.Misconfigured(fmt.Errorf("webhook %s (%s): %w", u.Name, text.Excerpt(w.Description, 100), err))
		}
		return client, err
	}
	if _, err := s.caller(); err != nil {
		d.Log.Error("webhook cannot be used until its CA file is there", logx.Destination(name+"/"+u.Name), zap.String("description", w.Description), logx.Err(err))
	}
	return s, nil
}

// sender delivers to one address.
type sender struct {
	method string
	target *url.URL
	open   func() (*http.Client, error)

	mu     sync.Mutex
	client *http.Client // nil until it could be created
}

// caller returns the client of the address and creates it once its CA file exists.
func (s *sender) caller() (*http.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		return s.client, nil
	}
	client, err := s.open()
	if err == nil {
		s.client = client
	}
	return client, err
}

// Deliver implements destination.Destination.
func (s *sender) Deliver(ctx context.Context, n messages.Notice) (destination.Receipt, error) {
	client, err := s.caller()
	if err != nil {
		return destination.Receipt{}, err
	}
	req, err := s.request(ctx, n)
	if err != nil {
		return destination.Receipt{}, destination.Permanent(httpc.Redact(err, s.target.String()))
	}
	answer, err := httpc.Send(client, req)
	if err != nil {
		return destination.Receipt{}, err
	}
	return answer.Receipt(), nil
}

func (s *sender) request(ctx context.Context, n messages.Notice) (*http.Request, error) {
	target, body, message := *s.target, []byte(nil), messageOf(n)
	if s.method == http.MethodGet {
		target.RawQuery = mergeQuery(target.RawQuery, message)
	} else {
		var err error
		if body, err = message.json(); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, s.method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Idempotency-Key", string(n.ID))
	return req, nil
}

// Preview implements destination.Previewer. It shows what is sent except the address:
// the body, or the parameters added to the query.
func (s *sender) Preview(n messages.Notice) (string, error) {
	if s.method == http.MethodGet {
		return mergeQuery("", messageOf(n)), nil
	}
	body, err := messageOf(n).json()
	return string(body), err
}

var _ destination.Previewer = (*sender)(nil)
