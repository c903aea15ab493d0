package chat

import (
	"cmp"
	"fmt"
	"net/http"
	"path/filepath"

	"go.uber.org/zap"

	"butler/internal/buildinfo"
	"butler/internal/destination"
	"butler/internal/logx"
	"butler/internal/template"
	"butler/messages"
)

// Room is one address with what its messages are made from.
type Room struct {
	// Basic means that messages are one line.
	Basic bool
	// Files are the possible paths of the operator's template; empty without one.
	Files []string
	Log   *zap.Logger

	service   Service
	settings  Settings
	client    *http.Client
	line      template.Renderer
	templates *template.Set
	fields    template.FieldOptions
	// badTemplate counts templates that could not be used.
	badTemplate func()
}

// NewRoom returns the room for settings without problems.
func NewRoom(s Service, e Settings, d destination.Deps) (*Room, error) {
	client, err := d.HTTP(destination.HTTPOptions{})
	if err != nil {
		return nil, err
	}
	line, err := template.Parse(e.BasicMsgTemplate, template.Line)
	if err != nil {
		return nil, fmt.Errorf("basicMsgTemplate: %w", err)
	}
	return &Room{
		Basic: e.basic(), Files: e.templateFiles(s, d), Log: d.Log,
		service: s, settings: e, client: client, line: line, badTemplate: d.BadTemplate(),
		templates: template.NewSet(s.Medium, s.Templates, filepath.Join(d.BaseDir, "partials")),
		fields: template.FieldOptions{
			Links: d.Links, Location: d.Location, User: messages.TaskEvent.UserWithSlash,
			HeadLines: e.HeadScriptLogLines, TailLines: e.TailScriptLogLines, Version: buildinfo.Read().Version,
		},
	}, nil
}

// Fields returns the fields of a notice that templates in this room can use.
func (r *Room) Fields(n messages.Notice) map[string]any {
	if r.settings.BasicContentOnly {
		n.Alert = basicContent(n.Alert)
	}
	return template.Fields(n, r.fields)
}

// basicContent returns an alert from Qlik Cloud without the description of the app and
// without the tenant's data about the reload except its ID: some of it is script output.
func basicContent(a messages.Alert) messages.Alert {
	a.ScriptLog, a.Execution = messages.ScriptLog{}, messages.Execution{}
	a.App = messages.App{ID: a.App.ID, Name: a.App.Name}
	c := &a.Cloud
	c.Trigger, c.ExecutionStatus, c.ErrorCode, c.ErrorMessage, c.LogMessage = "", "", "", "", ""
	c.SectionAccess, c.Thumbnail = false, ""
	return a
}

// Line renders the line of a basic message.
func (r *Room) Line(fields map[string]any) string {
	line, err := r.line.Render(fields)
	if err != nil {
		r.badTemplate()
	}
	if err != nil || line == "" {
		return Headline(fields)
	}
	return line
}

// Formatted renders the first of files that exists, else the built-in template, else
// does without one. from describes what made the message; instead reports that it was
// not the operator's template, which the caller counts once per message.
func (r *Room) Formatted(n messages.Notice, fields map[string]any, files []string) (message map[string]any, from string, instead bool) {
	d := r.templates.Document(template.Source{Files: files, Builtin: Builtin(n.Alert.Kind)}, fields, r.service.Plain)
	if d.Warning != nil {
		r.Log.Warn("template cannot be used, sending another layout", logx.Destination(n.Instance), logx.NoticeID(n.ID), logx.Err(d.Warning))
	}
	return d.Object, d.From, d.Fallback
}

// Unusable counts a template that could not be used for a message.
func (r *Room) Unusable() { r.badTemplate() }

// Builtin returns the name of the built-in template of an alert kind.
func Builtin(kind messages.AlertKind) string { return cmp.Or(template.BuiltinName(kind), "general") }

// Headline returns the alert's title and subject as one line.
func Headline(fields map[string]any) string {
	return fmt.Sprintf("%s: %s", fields["alertTitle"], fields["alertSubject"])
}
