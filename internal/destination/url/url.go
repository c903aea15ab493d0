// Package url owns the delivery of alerts to services without a destination of their
// own. A target is one URL in the syntax of the library shoutrrr, which implements the
// services.
//
// It guarantees what the library does not: an attempt ends with its context; every
// request is made by the program's HTTP client (proxies, certificates, redirects, bounded
// answers); answers are classified, so that only failures that may pass are retried; an
// alert is one message within the limits of its service; and neither the URL nor a key
// in it appears in an error or a log. Attempts share no state of the library.
//
// It must never retry, wait or limit the rate: the delivery actor does. No other package
// may import the library.
package url

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"strings"

	"go.uber.org/zap"

	"butler/internal/buildinfo"
	"butler/internal/destination"
	"butler/internal/template"
	"butler/messages"
)

//go:embed schema.yaml
var schema []byte

// Definition describes the destination "url".
func Definition() destination.Definition {
	return destination.Define("url", destination.Spec[Config, Target]{
		Section: section, Route: "url", Schema: schema, Enabled: func(c Config) bool { return c.Enable },
		Uses: uses, CheckUse: check, Address: Target.address, Expand: perRecipient, Instance: instance, New: newSender,
	})
}

func instance(_ Config, u destination.Use[Target]) destination.Instance {
	return destination.Instance{
		Needs: destination.Needs{
			Task: true, App: true, Owner: true, Execution: true,
			ScriptHead: u.Settings.HeadScriptLogLines, ScriptTail: u.Settings.TailScriptLogLines,
		},
		Window: destination.Seconds(u.Settings.RateLimit),
		// The long-term limit of the strictest services.
		Pace:        destination.Pace{Rate: 1, Burst: 5},
		MaxInFlight: 2,
	}
}

// sender sends alerts to the service of one URL.
type sender struct {
	target   Target
	provider provider
	client   *http.Client
	log      *zap.Logger
	layout   layout
	fields   template.FieldOptions
	// badTemplate counts templates that could not be used.
	badTemplate func()
}

func newSender(_ Config, u destination.Use[Target], d destination.Deps) (destination.Destination, error) {
	t := u.Settings
	p, err := providerOf(t.URL.Reveal())
	if err != nil {
		return nil, err
	}
	client, err := d.HTTP(destination.HTTPOptions{})
	if err != nil {
		return nil, err
	}
	layout, err := t.layout()
	if err != nil {
		return nil, err
	}
	return &sender{
		target: t, provider: p, client: client, log: d.Log, layout: layout, badTemplate: d.BadTemplate(),
		fields: template.FieldOptions{
			Links: d.Links, Location: d.Location, User: messages.TaskEvent.UserWithSlash,
			HeadLines: t.HeadScriptLogLines, TailLines: t.TailScriptLogLines, Version: buildinfo.Read().Version,
		},
	}, nil
}

// Deliver implements destination.Destination.
func (s *sender) Deliver(ctx context.Context, n messages.Notice) (destination.Receipt, error) {
	m := s.message(n)
	answer, err := newAttempt(ctx, s.client, s.provider, s.target.URL.Reveal()).send(m)
	if err != nil {
		return destination.Receipt{}, err
	}
	receipt := answer.Receipt()
	receipt.Detail = strings.TrimSuffix(fmt.Sprintf("%s: %s", s.provider.scheme, s.target.Name), ": ")
	return receipt, nil
}

// Preview implements destination.Previewer. It returns the message as given to the library.
func (s *sender) Preview(n messages.Notice) (string, error) {
	m := s.message(n)
	if s.provider.titleLimit == 0 {
		return m.text, nil
	}
	return m.title + "\n\n" + m.text, nil
}
