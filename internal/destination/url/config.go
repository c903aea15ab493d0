package url

import (
	"fmt"

	"butler/internal/destination"
	"butler/internal/secret"
	"butler/internal/template"
	"butler/messages"
)

const section = "urlNotification"

// Config is the section urlNotification.
type Config struct {
	Enable  bool
	Targets []Target
}

// Target is one URL and the messages that are sent to it.
type Target struct {
	Name string
	URL  secret.String
	// Events are alert kinds. A route entry has those of its route instead.
	Events []messages.AlertKind
	// RateLimit is in seconds, per subject of an alert; 0 means no limit.
	RateLimit float64
	// Title and Message are templates. An empty Message means the built-in text.
	Title, Message     string
	HeadScriptLogLines int
	TailScriptLogLines int
	Params             []Param
}

// Param is a parameter of the service. Its value is a template.
type Param struct {
	Name  string
	Value secret.String
}

// address implements destination.Spec.Address. A parameter may name the recipient.
func (t Target) address() []string {
	out := []string{t.URL.Reveal()}
	for _, p := range t.Params {
		out = append(out, p.Name, p.Value.Reveal())
	}
	return out
}

// uses lists the targets, none if the section is not enabled.
func uses(c Config) []destination.Use[Target] {
	if !c.Enable {
		return nil
	}
	var out []destination.Use[Target]
	for i, t := range c.Targets {
		out = append(out, destination.Use[Target]{Name: t.Name, Path: targetPath(i), Kinds: t.Events, Settings: t})
	}
	return out
}

func targetPath(i int) string { return fmt.Sprintf("%s.targets[%d]", section, i) }

// layout is the parsed templates of a message. text is nil for the built-in text.
type layout struct {
	title, text template.Renderer
	params      []param
}

// param is a parameter with its parsed template.
type param struct {
	name  string
	value template.Renderer
}

func (t Target) layout() (layout, error) {
	title, err := template.Parse(t.Title, template.Line)
	if err != nil {
		return layout{}, fmt.Errorf("title: %w", err)
	}
	l := layout{title: title}
	if t.Message != "" {
		if l.text, err = template.Parse(t.Message, template.Text); err != nil {
			return layout{}, fmt.Errorf("message: %w", err)
		}
	}
	for _, p := range t.Params {
		value, err := template.Parse(p.Value.Reveal(), template.Line)
		if err != nil {
			return layout{}, fmt.Errorf("params: %w", err)
		}
		l.params = append(l.params, param{name: p.Name, value: value})
	}
	return l, nil
}
