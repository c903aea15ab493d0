package slack

import (
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

// Event is how the alerts of one section, or of an entry of a route, are sent.
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
}

// basicType is the message type of a plain sentence.
const basicType = "basic"

// uses lists the sections that are switched on.
func uses(c Config) []destination.Use[Event] {
	var out []destination.Use[Event]
	for _, u := range []struct {
		kind    messages.AlertKind
		section string
		event   Event
	}{
		{messages.ReloadTaskFailed, "reloadTaskFailure", c.ReloadTaskFailure},
		{messages.ReloadTaskAborted, "reloadTaskAborted", c.ReloadTaskAborted},
	} {
		if c.Enable && u.event.Enable {
			out = append(out, destination.Use[Event]{
				Name: string(u.kind), Path: "slackNotification." + u.section, Kinds: []messages.AlertKind{u.kind}, Settings: u.event,
			})
		}
	}
	return out
}

func (e Event) basic() bool { return strings.EqualFold(e.MessageType, basicType) }

// check lists what is wrong with the settings of a use, and what of it does nothing.
func check(_ Config, u destination.Use[Event], d destination.Deps) destination.Problems {
	e := u.Settings
	var p destination.Problems
	if to, err := url.Parse(e.WebhookURL.Reveal()); err != nil || to.Host == "" || to.Scheme != "https" && to.Scheme != "http" {
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
