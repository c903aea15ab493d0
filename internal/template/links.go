// Package template owns the conversion of an alert to text: the fields of templates,
// Handlebars rendering with the escaping of each medium, and the links.
//
// It guarantees that a rendered value cannot break the format that contains it (HTML, a
// JSON string, Slack markup, a mail header), and that a missing field is empty text. It
// must never use the network, and never prevent a message: the caller decides what to
// send when a template fails.
package template

import (
	"net/url"
	"strings"

	"butler/messages"
)

// Links are the web addresses in messages.
type Links struct {
	QMC        string
	Hub        string
	AppBaseURL string
	// Generic are the operator's own links. Frozen.
	Generic []GenericURL
}

// GenericURL is a link that the operator configured (section genericUrls).
type GenericURL struct {
	ID       string
	LinkText string
	Comment  string
	URL      string
}

// AppURL returns the link to an app, or "" without a base or an ID.
func (l Links) AppURL(a messages.Alert) string {
	id := a.Event.AppID
	if id == "" {
		id = a.App.ID
	}
	if l.AppBaseURL == "" || id == "" {
		return ""
	}
	base := l.AppBaseURL
	if base[len(base)-1] != '/' {
		base += "/"
	}
	return base + url.QueryEscape(id) // a GUID stays as it is, and anything else breaks no markup
}

// Unlinked keeps "[text](address)" in data from becoming a link in Markdown.
func Unlinked(s string) string { return strings.ReplaceAll(s, "](", "]\u200b(") }
