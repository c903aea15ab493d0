// Package newrelic owns the delivery to New Relic: alerts as events, which are
// counted and charted, and as log entries, which contain the end of the script log;
// and the resource usage of this process as metrics.
//
// It guarantees that every kind of alert, form and account is an instance of its own,
// so that a failing account delays no other; that requests are within New Relic's
// limits, which silently ignores violations; and that attributes are strings and
// numbers, because nothing else can be queried. An API key appears in no error and no
// log.
//
// It must not decide which accounts exist: the section thirdPartyToolsCredentials does.
package newrelic

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"butler/internal/buildinfo"
	"butler/internal/destination"
	"butler/internal/httpc"
	"butler/messages"
)

//go:embed schema.yaml
var schema []byte

// Definition describes the destination "newrelic".
func Definition() destination.Definition {
	return destination.Define("newrelic", destination.Spec[Config, Settings]{
		Section: section, Route: "newRelic", Schema: schema, Read: read, Enabled: func(c Config) bool { return c.Enable },
		Address: func(s Settings) []string { return s.Accounts },
		Uses:    uses, Check: check, CheckUse: checkUse, Expand: expand, Instance: instance, New: newSender,
	})
}

// form is what an alert is sent as.
type form string

const (
	asEvent form = "event"
	asLog   form = "log"
	// asMetric is only for the resource usage of the process.
	asMetric form = "metric"
)

// sender posts alerts in one form to one account.
type sender struct {
	client   *http.Client
	address  string
	settings Settings
	version  string
}

func newSender(c Config, u destination.Use[Settings], d destination.Deps) (destination.Destination, error) {
	client, err := d.HTTP(destination.HTTPOptions{Timeout: timeout})
	if err != nil {
		return nil, err
	}
	var address string
	switch u.Settings.form {
	case asLog:
		address = c.URL.Log
	case asMetric:
		address = c.usage.URL
	case asEvent:
		if address, err = eventAddress(c.URL.Event, u.Settings.account); err != nil {
			return nil, fmt.Errorf("url.event: %w", err)
		}
	}
	return &sender{client: client, address: address, settings: u.Settings, version: buildinfo.Read().Version}, nil
}

// Deliver implements destination.Destination.
func (s *sender) Deliver(ctx context.Context, n messages.Notice) (destination.Receipt, error) {
	body, err := s.body(n)
	if err != nil {
		return destination.Receipt{}, destination.Permanent(fmt.Errorf("encode the %s: %w", s.settings.form, err))
	}
	answer, err := post(ctx, s.client, s.address, body, s.settings.account, s.settings.Header)
	if err != nil {
		return destination.Receipt{}, err
	}
	return answer.Receipt(), nil
}

// post sends a body to an account, with the operator's headers; the account's API key
// overrides theirs.
func post(ctx context.Context, client *http.Client, address string, body []byte, account Account, headers []Header) (httpc.Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return httpc.Answer{}, destination.Misconfigured(httpc.Redact(err, address))
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	key := account.InsertAPIKey.Reveal()
	secrets := []string{key}
	for _, h := range headers {
		req.Header.Set(h.Name, h.Value.Reveal())
		secrets = append(secrets, h.Value.Reveal())
	}
	req.Header.Set("Api-Key", key)
	return httpc.Send(client, req, secrets...)
}

// eventAddress returns the address for events of an account.
func eventAddress(base string, account Account) (string, error) {
	return url.JoinPath(base, "v1", "accounts", strconv.Itoa(account.AccountID), "events")
}

// Preview implements destination.Previewer.
func (s *sender) Preview(n messages.Notice) (string, error) {
	body, err := s.body(n)
	return string(body), err
}

var _ destination.Previewer = (*sender)(nil)
