// Package template owns how an alert becomes text: the fields a template sees,
// Handlebars rendering with the escaping of each medium, and the links shown.
//
// It guarantees that a rendered value cannot break the format it is put into
// (HTML, a JSON string, Slack markup, a mail header), and that a missing field
// is empty text. It must never use the network, and never stop a message: the caller
// decides what to send when a template fails.
package template

import "butler/messages"

// Links are the addresses that messages show.
type Links struct {
	QMC        string
	Hub        string
	AppBaseURL string
	// Generic are the operator's own links. Frozen.
	Generic []GenericURL
}

// GenericURL is one link of the operator's own (section genericUrls).
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
	return base + id
}
