// Package signl4 owns the delivery of alerts to SIGNL4, which calls the people on duty.
//
// It guarantees that every alert opens a signal with the title, service and severity of
// its event, and that the external ID identifies the subject of the alert, so that
// repeated failures refer to the same thing. A section alerts only about the apps that
// the operator includes. The address contains the team's secret and appears in no error
// and no log.
//
// It must never close a signal: a successful next reload does not mean that somebody
// has looked at the failed one.
package signl4

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net/http"

	"butler/internal/destination"
	"butler/internal/httpc"
	"butler/messages"
)

//go:embed schema.yaml
var schema []byte

// Definition describes the destination "signl4".
func Definition() destination.Definition {
	return destination.Define("signl4", destination.Spec[Config, Settings]{
		Section: "incidentTool.signl4", Route: "signl4", Schema: schema, Enabled: func(c Config) bool { return c.Enable },
		Address: func(s Settings) []string { return []string{s.URL.Reveal()} },
		Uses:    uses, Check: check, CheckUse: checkUse, Instance: instance, New: newSender,
	})
}

// sender opens signals in one team.
type sender struct {
	client   *http.Client
	url      string
	settings Settings
}

func newSender(c Config, u destination.Use[Settings], d destination.Deps) (destination.Destination, error) {
	client, err := d.HTTP(destination.HTTPOptions{Timeout: timeout})
	if err != nil {
		return nil, err
	}
	return &sender{client: client, url: c.url(u.Settings).Reveal(), settings: u.Settings}, nil
}

// Deliver implements destination.Destination.
func (s *sender) Deliver(ctx context.Context, n messages.Notice) (destination.Receipt, error) {
	body, err := payloadOf(n, s.settings).json()
	if err != nil {
		return destination.Receipt{}, destination.Permanent(fmt.Errorf("encode the signal: %w", err))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return destination.Receipt{}, destination.Misconfigured(httpc.Redact(fmt.Errorf("url: %w", err), s.url))
	}
	req.Header.Set("Content-Type", "application/json")
	answer, err := httpc.Send(s.client, req, s.url)
	if err != nil {
		return destination.Receipt{}, err
	}
	return answer.Receipt(), nil
}

// Preview implements destination.Previewer.
func (s *sender) Preview(n messages.Notice) (string, error) {
	body, err := payloadOf(n, s.settings).json()
	return string(body), err
}

var _ destination.Previewer = (*sender)(nil)
