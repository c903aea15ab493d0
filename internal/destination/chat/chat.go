// Package chat owns what destinations that post to chat rooms share: their configuration
// sections, messages from one line or a template, and the call to a secret address.
//
// It guarantees that a broken template loses the layout but not the alert, and that
// no error contains the address. It must not know what messages of a service look
// like or how long they may be, and must never retry or limit: the delivery actor
// does.
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

// Service describes what is specific to a chat service.
type Service struct {
	// Section is the service's configuration section, CloudSection the one for alerts of
	// the Qlik Cloud tenant, Route the key under which a route lists rooms.
	Section, CloudSection, Route string
	Schema                       []byte
	// Pace is how often the service accepts a message at one address.
	Pace destination.Pace
	// Address describes what an operator writes as webhookURL.
	Address     string
	ContentType string
	// Medium and Templates are for formatted messages.
	Medium    template.Medium
	Templates fs.FS
	// ShippedName returns the alternative path of a configured template, because the
	// names of shipped files and in old sample configurations differ.
	ShippedName func(path string) string
	// Plain returns a message with all fields, made without a template.
	Plain func(fields map[string]any) map[string]any
	// Refusal returns the error that a 2xx answer hides, or nil; nil if there never is one.
	Refusal func(answer httpc.Answer, req *http.Request) error
}

// Composer makes the messages of a service.
type Composer interface {
	// Compose returns the encoded message and a description of what made it.
	Compose(n messages.Notice) (body []byte, from string, err error)
}

// Spec describes a destination that posts the messages of a composer. read completes
// the configuration: see Config.
func Spec[E event](s Service, read func(destination.Decode, *Config[E]) error, compose func(E, *Room) Composer) destination.Spec[Config[E], E] {
	return destination.Spec[Config[E], E]{
		Section: s.Section, Route: s.Route, Schema: s.Schema, Templates: s.Templates, Read: read,
		Enabled: func(c Config[E]) bool { return c.Enable },
		Uses:    func(c Config[E]) []destination.Use[E] { return c.uses(s) },
		CheckUse: func(_ Config[E], u destination.Use[E], d destination.Deps) destination.Problems {
			return u.Settings.common().check(s, d)
		},
		Address:  E.Address,
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

// poster posts the messages of a composer to one room.
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
