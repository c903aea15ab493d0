package slack

import (
	"errors"
	"fmt"
	"iter"
	"net/url"
	"strings"

	"butler/internal/secret"
	"butler/internal/template"
	"butler/messages"
)

// Config is the section slackNotification.
type Config struct {
	Enable            bool
	RestMessage       RestMessage
	ReloadTaskFailure Event
	ReloadTaskAborted Event
	ServiceStopped    Service
	ServiceStarted    Service
}

// RestMessage is for messages that are sent through the REST API.
type RestMessage struct {
	WebhookURL secret.String
}

// Event is how one kind of task alert is sent.
type Event struct {
	Enable           bool
	WebhookURL       secret.String
	Channel          string
	MessageType      string
	BasicMsgTemplate string
	// RateLimit is in seconds, per task; 0 means no limit.
	RateLimit          float64
	HeadScriptLogLines int
	TailScriptLogLines int
	TemplateFile       string
	FromUser           string
	IconEmoji          string

	// section is where the event stands in the configuration.
	section string
}

// Service is how alerts about Windows services are sent.
type Service struct {
	WebhookURL       secret.String
	Channel          string
	MessageType      string
	BasicMsgTemplate string
	RateLimit        float64
	TemplateFile     string
	FromUser         string
	IconEmoji        string
}

// Message types.
const (
	basicType     = "basic"
	formattedType = "formatted"
)

// events yields the events that are switched on.
func (c Config) events() iter.Seq2[messages.AlertKind, Event] {
	return func(yield func(messages.AlertKind, Event) bool) {
		for _, kind := range []messages.AlertKind{messages.ReloadTaskFailed, messages.ReloadTaskAborted} {
			if e, on := c.event(kind); on && !yield(kind, e) {
				return
			}
		}
	}
}

// event returns how alerts of kind are sent, and whether they are.
func (c Config) event(kind messages.AlertKind) (Event, bool) {
	var e Event
	switch kind {
	case messages.ReloadTaskFailed:
		e = c.ReloadTaskFailure
		e.section = "reloadTaskFailure"
	case messages.ReloadTaskAborted:
		e = c.ReloadTaskAborted
		e.section = "reloadTaskAborted"
	default:
		return Event{}, false
	}
	return e, c.Enable && e.Enable
}

func (e Event) basic() bool { return strings.EqualFold(e.MessageType, basicType) }

// validate returns every problem at once. It shows no part of the webhook address.
func (e Event) validate() error {
	var problems []error
	if u, err := url.Parse(e.WebhookURL.Reveal()); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		problems = append(problems, errors.New("webhookURL: want the https address of an incoming webhook"))
	}
	if !e.basic() && e.MessageType != "" && !strings.EqualFold(e.MessageType, formattedType) {
		problems = append(problems, fmt.Errorf("messageType: want %s or %s, got %q", basicType, formattedType, e.MessageType))
	}
	if _, err := template.Parse(e.BasicMsgTemplate, template.Line); err != nil {
		problems = append(problems, fmt.Errorf("basicMsgTemplate: %w", err))
	}
	if e.RateLimit < 0 || e.HeadScriptLogLines < 0 || e.TailScriptLogLines < 0 {
		problems = append(problems, errors.New("rateLimit, headScriptLogLines and tailScriptLogLines: want 0 or more"))
	}
	return errors.Join(problems...)
}
