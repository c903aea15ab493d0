package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"butler/internal/template/handlebars"
)

// Medium is the format that a template renders to. It determines how values are escaped.
type Medium uint8

const (
	// HTML is the body of a mail: {{x}} is escaped, {{{x}}} is not.
	HTML Medium = iota
	// Line is one line of plain text: a subject, a basic message. Nothing is escaped, and
	// line breaks and control characters are removed.
	Line
	// SlackJSON is a JSON document whose texts are Slack markup: {{x}} and
	// {{{x}}} are content of a JSON string, {{x}} with &, < and > as entities.
	SlackJSON
	// TeamsJSON is a JSON document: {{x}} and {{{x}}} are content of a JSON string.
	TeamsJSON
	// Text is plain multi-line text. Nothing is escaped.
	Text
)

// errNotJSON is the error for a template whose output is not a JSON object.
var errNotJSON = errors.New("the rendered text is not a JSON object")

// Renderer turns fields into text.
type Renderer interface {
	// Render returns the text, or an error if the template uses a helper or partial that
	// does not exist, exceeds the bounds, or its output is not valid for the medium.
	Render(fields map[string]any) (string, error)
}

// Parse parses a template from the configuration. Such a template cannot use partials.
func Parse(source string, m Medium) (Renderer, error) {
	parsed, err := handlebars.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("parse template: %w", err)
	}
	return &rendering{template: parsed, medium: m}, nil
}

// rendering is a parsed template with its medium.
type rendering struct {
	template *handlebars.Template
	medium   Medium
	partial  func(name string) (*handlebars.Template, error)
}

// Render implements Renderer.
func (r *rendering) Render(fields map[string]any) (string, error) {
	escape, raw := r.medium.escapers()
	text, err := r.template.Render(fields, handlebars.Options{Escape: escape, Raw: raw, Partial: r.partial})
	if err != nil {
		return "", err
	}
	return r.medium.finish(text)
}

// escapers returns the functions that escape the values of {{x}} and {{{x}}}.
func (m Medium) escapers() (escape, raw func(string) string) {
	switch m {
	case SlackJSON:
		return func(s string) string { return jsonText(slackEntities.Replace(s)) }, jsonText
	case TeamsJSON:
		return jsonText, jsonText
	case Line:
		return oneLine, oneLine
	case Text:
		same := func(s string) string { return s }
		return same, same
	default:
		return handlebars.EscapeHTML, func(s string) string { return s }
	}
}

// finish checks and trims the rendered text.
func (m Medium) finish(text string) (string, error) {
	switch m {
	case SlackJSON, TeamsJSON:
		text = strings.TrimSpace(text)
		if !strings.HasPrefix(text, "{") || !json.Valid([]byte(text)) {
			return "", errNotJSON
		}
		return text, nil
	case Line:
		return strings.TrimSpace(oneLine(text)), nil
	default:
		return strings.TrimSpace(text), nil
	}
}

var slackEntities = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// jsonText returns s as the content of a JSON string. Line breaks become LF.
func jsonText(s string) string {
	quoted, err := EncodeJSON(strings.ReplaceAll(s, "\r", ""))
	if err != nil {
		return "" // a string always encodes
	}
	return string(quoted[1 : len(quoted)-1])
}

// oneLine removes line breaks and control characters, and replaces tabs by spaces. Other
// characters that must not be shown were removed from the values by printable.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r < ' ', r == 0x7f, r == 0x85, r == 0x2028, r == 0x2029:
			return -1
		default:
			return r
		}
	}, s)
}
