package slack

import (
	"iter"
	"net/url"
	"strings"

	"butler/internal/destination"
	"butler/internal/secret"
	"butler/internal/template"
	"butler/messages"
)

// Config is the section slackNotification.
type Config struct {
	Enable            bool
	ReloadTaskFailure Event
	ReloadTaskAborted Event
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

// basicType is the message type of a plain sentence.
const basicType = "basic"

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

// check lists what is wrong with the section, and what of it does nothing.
func check(c Config, d destination.Deps) destination.Problems {
	var problems destination.Problems
	for _, e := range c.events() {
		problems = append(problems, e.check(d).Below(e.section)...)
	}
	return problems
}

func (e Event) check(d destination.Deps) destination.Problems {
	var p destination.Problems
	if u, err := url.Parse(e.WebhookURL.Reveal()); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		p.Wrong("webhookURL", "is no web address", "write the https address of an incoming webhook")
	}
	if _, err := template.Parse(e.BasicMsgTemplate, template.Line); err != nil {
		p.Wrong("basicMsgTemplate", err.Error(), "mend the template")
	}
	if e.basic() {
		return p
	}
	if err := template.CheckFiles(e.templateFiles(d)); err != nil {
		p.Warn("templateFile", err.Error(), "the built-in layout is sent until the file is there and good")
	}
	return p
}
