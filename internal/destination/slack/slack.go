// Package slack owns the delivery of alerts to Slack: one message per alert to an
// incoming webhook, laid out by the operator's template or the built-in one.
//
// It guarantees that a message fits Slack's limits and is valid JSON whatever the
// data and the template contain. Package chat, with its guarantees, has what is
// common to chat services, above all the call to the webhook.
package slack

import (
	"embed"
	"strings"
	"unicode/utf8"

	"butler/internal/destination"
	"butler/internal/destination/chat"
	"butler/internal/template"
	"butler/messages"
)

//go:embed schema.yaml
var schema []byte

//go:embed templates
var files embed.FS

// Definition describes the destination "slack".
func Definition() destination.Definition {
	return destination.Define("slack", chat.Spec(service(), read, compose))
}

func service() chat.Service {
	return chat.Service{
		Section: section, CloudSection: cloudSection, Route: "slack", Schema: schema,
		// Slack accepts about one message per second and webhook, with short bursts.
		Pace:        destination.Pace{Rate: 1, Burst: 5},
		Address:     "the https address of an incoming webhook",
		ContentType: "application/json; charset=utf-8",
		Medium:      template.SlackJSON, Templates: template.Embedded(files), ShippedName: shippedName, Plain: plainMessage,
	}
}

// shippedName inserts the suffix of the shipped templates.
func shippedName(path string) string {
	return strings.TrimSuffix(path, template.Extension) + "-qseow" + template.Extension
}

// slack composes messages for one webhook.
type slack struct {
	event Event
	room  *chat.Room
}

func compose(e Event, r *chat.Room) chat.Composer { return &slack{event: e, room: r} }

// Compose implements chat.Composer. A message that is too long even with the shortest
// texts is sent nevertheless: Slack decides.
func (s *slack) Compose(n messages.Notice) (body []byte, from string, err error) {
	instead := false
	defer func() {
		if instead {
			s.room.Unusable()
		}
	}()
	for _, l := range shrinking {
		var message object
		message, from, instead = s.message(n, l)
		if body, err = template.EncodeJSON(message); err != nil || utf8.RuneCount(body) <= maxMessage {
			break
		}
	}
	return body, from, err
}

// message returns the payload within limits, a description of what made it, and
// whether that was not the operator's template.
func (s *slack) message(n messages.Notice, l limits) (message object, from string, instead bool) {
	fields := s.room.Fields(n)
	prepare(fields, l)
	if s.room.Basic {
		message, from = basicLayout(s.room.Line(fields), fields), "basic message"
	} else {
		message, from, instead = s.room.Formatted(n, fields, s.room.Files)
	}
	if !shows(message) {
		instead = true
		message["blocks"], from = plainMessage(fields)["blocks"], from+", which shows nothing, so plain text"
	}
	tell(message, template.Notes(fields))
	announce(message, fields)
	fit(message)
	for key, value := range map[string]string{
		"username": s.event.FromUser, "channel": s.event.Channel, "icon_emoji": s.event.IconEmoji,
	} {
		if _, own := message[key]; !own {
			message[key] = value
		}
	}
	return message, from, instead
}
