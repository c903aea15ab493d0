// Package email owns how alerts reach people by mail: who is told, what the
// mail looks like, and one SMTP conversation per recipient.
//
// It guarantees that text from outside can neither add a header or a recipient
// nor break the page, that a broken template costs the layout and not the
// alert, and that a repeated attempt carries the same Message-ID, so that
// mailboxes can drop the second copy. A mail counts as delivered when the
// server has taken it. It must never retry, keep a connection between attempts,
// or show the password.
package email

import (
	"context"
	"embed"
	"fmt"
	"net/mail"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"

	"butler/internal/buildinfo"
	"butler/internal/destination"
	"butler/internal/logx"
	"butler/internal/template"
	"butler/internal/template/handlebars"
	"butler/messages"
)

//go:embed schema.yaml
var schema []byte

//go:embed templates
var files embed.FS

const (
	// attemptTimeout bounds one conversation; mail servers that look up senders or scan content are slow.
	attemptTimeout = 60 * time.Second
	maxInFlight    = 4
	// maxText and maxLog bound one value and one excerpt of the script log, in characters.
	maxText    = 4 << 10
	maxLog     = 16 << 10
	maxSubject = 250
)

// Definition describes the destination "email".
func Definition() destination.Definition {
	return destination.Define("email", destination.Spec[Config]{
		Section: "emailNotification", Schema: schema, Check: check, Instances: instances, New: newSender, Templates: template.Embedded(files),
	})
}

func instances(c Config) []destination.Instance {
	if !c.Enable {
		return nil
	}
	var out []destination.Instance
	for _, e := range c.events() {
		if !e.Enable {
			continue
		}
		out = append(out, destination.Instance{
			Name: "email/" + string(e.kind), Path: e.section, Kinds: []messages.AlertKind{e.kind}, Needs: e.needs(),
			Properties: e.properties(), Select: e.selectRecipients, Window: time.Duration(e.RateLimit * float64(time.Second)),
			MaxInFlight: maxInFlight, Timeout: attemptTimeout,
		})
	}
	return out
}

// properties lists the custom property without which nobody is told. One that
// holds further addresses is no condition, and has a name by default.
func (e event) properties() []destination.Property {
	gate := e.AlertEnableByCustomProperty
	if !e.aboutReload() || !gate.Enable {
		return nil
	}
	return []destination.Property{{
		Path: e.section + ".alertEnableByCustomProperty.customPropertyName", Name: gate.CustomPropertyName, Value: gate.EnabledValue,
	}}
}

func (e event) needs() destination.Needs {
	if !e.aboutReload() {
		return destination.Needs{Task: true, Execution: true}
	}
	return destination.Needs{
		Task: true, App: true, Owner: true, Execution: true,
		ScriptHead: e.HeadScriptLogLines, ScriptTail: e.TailScriptLogLines,
	}
}

// sender mails the alerts of one kind.
type sender struct {
	event     event
	server    server
	from      mail.Address
	log       *zap.Logger
	subject   template.Renderer
	templates *template.Set
	source    template.Source
	fields    template.FieldOptions
}

func newSender(c Config, i destination.Instance, d destination.Deps) (destination.Destination, error) {
	kind := i.Kinds[0]
	for _, e := range c.events() {
		if e.kind == kind {
			return e.sender(c.SMTP, d)
		}
	}
	return nil, fmt.Errorf("alert kind %s is not configured", kind)
}

func (e event) sender(s SMTP, d destination.Deps) (*sender, error) {
	from, err := mail.ParseAddress(e.FromAddress)
	if err != nil {
		return nil, fmt.Errorf("fromAddress: %w", err)
	}
	subject, err := template.Parse(e.Subject, template.Line)
	if err != nil {
		return nil, fmt.Errorf("subject: %w", err)
	}
	return &sender{
		event: e, server: newServer(s), from: *from, log: d.Log, subject: subject,
		templates: template.NewSet(template.HTML, template.Embedded(files), filepath.Join(d.BaseDir, "partials")),
		source:    template.Source{Files: e.templateFiles(d), Builtin: template.BuiltinName(e.kind)},
		fields: template.FieldOptions{
			Links: d.Links, Location: d.Location, User: userForm(e.kind),
			HeadLines: e.HeadScriptLogLines, TailLines: e.TailScriptLogLines, Version: buildinfo.Read().Version,
		},
	}, nil
}

// userForm returns how mails of a kind write the user.
func userForm(kind messages.AlertKind) func(messages.TaskEvent) string {
	switch kind {
	case messages.ReloadTaskFailed, messages.ReloadTaskSucceeded:
		return messages.TaskEvent.UserSingleBackslash
	case messages.PreloadTaskFailed, messages.PreloadTaskSucceeded:
		return messages.TaskEvent.UserWithSlash
	default:
		return nil
	}
}

// templateFiles lists where the body may be: as written, and with the ending
// that the shipped templates have. Without a directory the built-in one is meant.
func (e event) templateFiles(d destination.Deps) []string {
	if e.BodyFileDirectory == "" || e.HTMLTemplateFile == "" {
		return nil
	}
	path := filepath.Join(d.Path(e.BodyFileDirectory), e.HTMLTemplateFile)
	return []string{path + template.Extension, path + "-qseow" + template.Extension}
}

// Deliver sends one mail to the notice's recipient.
func (s *sender) Deliver(ctx context.Context, n messages.Notice) (destination.Receipt, error) {
	if !validAddress(n.Recipient) {
		return destination.Receipt{}, destination.Permanent(fmt.Errorf("%q is not a mail address", printableAddress(n.Recipient)))
	}
	m, from := s.letter(n)
	raw, err := m.encode(time.Now())
	if err != nil {
		return destination.Receipt{}, destination.Permanent(fmt.Errorf("write mail: %w", err))
	}
	if err := s.server.send(ctx, s.from.Address, n.Recipient, raw); err != nil {
		return destination.Receipt{}, err
	}
	return destination.Receipt{Status: "250", Detail: from}, nil
}

// letter composes the mail and says what made its body.
func (s *sender) letter(n messages.Notice) (m letter, from string) {
	fields := template.Fields(n, s.fields)
	who := s.event.recipientsOf(&n.Alert)
	fields["emailRecipients"] = map[string]any{"taskSpecific": list(who.fromTask), "common": list(who.common)}
	bound(fields)
	html, from := s.body(n, fields)
	return letter{
		id: string(n.ID), from: s.from, to: n.Recipient, priority: strings.ToLower(s.event.Priority),
		subject: s.subjectOf(fields), html: html, plain: template.PlainText(fields),
	}, from
}

// bound keeps a mail readable: nobody scrolls through a megabyte of script log.
func bound(fields map[string]any) {
	head, _ := fields["scriptLogHead"].(string)
	tail, _ := fields["scriptLogTail"].(string)
	template.CutTexts(fields, maxText, template.Units)
	fields["scriptLogHead"] = template.CutLinesEnd(head, maxLog, template.Units)
	fields["scriptLogTail"] = template.CutLinesStart(tail, maxLog, template.Units)
}

func (s *sender) subjectOf(fields map[string]any) string {
	line, err := s.subject.Render(fields)
	if err != nil || line == "" {
		line = fmt.Sprintf("%s: %s", fields["alertTitle"], fields["taskName"])
	}
	return template.CutEnd(line, maxSubject, template.Units)
}

// body renders the template, then the built-in one, then does without.
func (s *sender) body(n messages.Notice, fields map[string]any) (html, from string) {
	rendered, err := s.templates.Render(s.source, fields)
	if rendered.Warning != nil && !rendered.Repeated {
		s.log.Warn("template cannot be used, sending the built-in layout",
			logx.Destination(n.Instance), logx.NoticeID(n.ID), logx.Err(rendered.Warning))
	}
	if err != nil {
		s.log.Error("built-in template cannot be used, sending plain text",
			logx.Destination(n.Instance), logx.NoticeID(n.ID), logx.Err(err))
		return "<pre>" + handlebars.EscapeHTML(template.PlainText(fields)) + "</pre>", "plain text, no template could be used"
	}
	html = withNotes(rendered.Text, template.Notes(fields))
	if rendered.Warning != nil {
		return html, rendered.Template + ", because " + rendered.Warning.Error()
	}
	return html, rendered.Template
}

func list(in []string) []any {
	out := make([]any, len(in))
	for i, s := range in {
		out[i] = s
	}
	return out
}
