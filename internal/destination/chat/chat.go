// Package chat owns what the destinations that post to a chat room have in
// common: the sections of their configuration, a message that is one line or a
// template, and one call to an address that is a credential.
//
// It guarantees that a broken template costs the layout and not the alert, and
// that the address appears in no error. It must never know what a message of a
// service looks like or how long it may be, and never retry or limit: the
// delivery actor does.
package chat

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"net/http"

	"butler/internal/destination"
	"butler/internal/httpc"
	"butler/internal/secret"
	"butler/internal/template"
	"butler/messages"
)

// Service is what a chat service has of its own.
type Service struct {
	// Section is its part of the configuration, CloudSection what the tenant of
	// Qlik Cloud has for it, Route the key of a route that lists rooms.
	Section, CloudSection, Route string
	Schema                       []byte
	// Pace is how often it takes a message at one address.
	Pace destination.Pace
	// Address says what an operator writes as webhookURL.
	Address     string
	ContentType string
	// Medium and Templates are those of a formatted message.
	Medium    template.Medium
	Templates fs.FS
	// ShippedName returns the path that a template of the configuration may have
	// instead, because shipped files and old sample configurations differ.
	ShippedName func(path string) string
	// Plain says everything without a template.
	Plain func(fields map[string]any) map[string]any
	// Refusal returns the error that an answer of class 2xx hides; nil where none does.
	Refusal func(answer httpc.Answer, req *http.Request) error
}

// Composer makes the messages of a service.
type Composer interface {
	// Compose returns the encoded message, and what made it.
	Compose(n messages.Notice) (body []byte, from string, err error)
}

// Spec describes the destination that posts what a composer makes. read
// completes the configuration: see Config.
func Spec[E event](s Service, read func(destination.Decode, *Config[E]) error, compose func(E, *Room) Composer) destination.Spec[Config[E], E] {
	return destination.Spec[Config[E], E]{
		Section: s.Section, Route: s.Route, Schema: s.Schema, Templates: s.Templates, Read: read,
		Enabled: func(c Config[E]) bool { return c.Enable },
		Uses:    func(c Config[E]) []destination.Use[E] { return c.uses(s) },
		CheckUse: func(_ Config[E], u destination.Use[E], d destination.Deps) destination.Problems {
			return u.Settings.common().check(s, d)
		},
		Instance: func(_ Config[E], u destination.Use[E]) destination.Instance { return u.Settings.common().instance(s) },
		New: func(_ Config[E], u destination.Use[E], d destination.Deps) (destination.Destination, error) {
			room, err := NewRoom(s, u.Settings.common(), d)
			if err != nil {
				return nil, err
			}
			return &poster{room: room, composer: compose(u.Settings, room)}, nil
		},
	}
}

// Post sends an encoded message to an address.
func (s Service) Post(ctx context.Context, client *http.Client, webhook secret.String, body []byte) (destination.Receipt, error) {
	address := webhook.Reveal()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return destination.Receipt{}, destination.Misconfigured(httpc.Redact(fmt.Errorf("webhookURL: %w", err), address))
	}
	req.Header.Set("Content-Type", s.ContentType)
	answer, err := httpc.Send(client, req, address)
	if err == nil && s.Refusal != nil {
		err = s.Refusal(answer, req)
	}
	return answer.Receipt(), err
}

// poster posts what a composer makes to one room.
type poster struct {
	room     *Room
	composer Composer
}

var (
	_ destination.Previewer = (*poster)(nil)
	_ destination.Templated = (*poster)(nil)
	_ destination.Prober    = (*poster)(nil)
)

// Deliver posts one message.
func (p *poster) Deliver(ctx context.Context, n messages.Notice) (destination.Receipt, error) {
	body, from, err := p.composer.Compose(n)
	if err != nil {
		return destination.Receipt{}, destination.Permanent(fmt.Errorf("encode message: %w", err))
	}
	receipt, err := p.room.service.Post(ctx, p.room.client, p.room.settings.WebhookURL, body)
	if err != nil {
		return destination.Receipt{}, err
	}
	receipt.Detail = from
	return receipt, nil
}

// Preview implements destination.Previewer.
func (p *poster) Preview(n messages.Notice) (string, error) {
	body, _, err := p.composer.Compose(n)
	return string(body), err
}

// UseTemplate implements destination.Templated. A basic message has no template.
func (p *poster) UseTemplate(file string) error {
	p.room.Basic, p.room.Files = false, p.room.service.templateFiles(file)
	return nil
}

// Probe implements destination.Prober.
func (p *poster) Probe() destination.Probe {
	return httpc.Probe(p.room.client, p.room.settings.WebhookURL.Reveal())
}
