// Package email owns the delivery of alerts by mail: the recipients, the content of the mail,
// and the SMTP sessions. Every mail has one recipient, and a session carries several mails.
//
// It guarantees that external text can neither add a header or a recipient nor break
// the page, that a broken template loses the layout but not the alert, and that a
// repeated attempt has the same Message-ID, so that mailboxes can drop the second
// copy. A mail counts as delivered when the server has accepted it. There are never
// more open sessions than concurrent attempts; an idle session ends within seconds,
// or with Close. Within one attempt it must never send a mail again that a server may
// have accepted. It must never show the password.
package email

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"maps"
	"net/mail"
	"path/filepath"
	"slices"
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
	// attemptTimeout bounds one attempt; servers that look up senders or scan content are slow.
	attemptTimeout = 60 * time.Second
	// maxText and maxLog bound one value and one multi-line text, in characters.
	maxText    = 4 << 10
	maxLog     = 16 << 10
	maxSteps   = 100
	maxSubject = 250
)

// Definition describes the destination "email".
func Definition() destination.Definition {
	return destination.Define("email", destination.Spec[Config, Event]{
		Section: "emailNotification", Route: "email", Schema: schema, Enabled: func(c Config) bool { return c.Enable },
		Read: read, Uses: uses, Check: check, CheckUse: checkUse, Address: func(e Event) []string { return e.Recipients }, Instance: instance, New: newSender, Templates: template.Embedded(files),
	})
}

func instance(_ Config, u destination.Use[Event]) destination.Instance {
	e := u.Settings
	return destination.Instance{
		Needs: needs(u), Properties: properties(u), Select: e.selectRecipients,
		Window: destination.Seconds(e.RateLimit), Timeout: attemptTimeout,
	}
}

// properties lists the custom property that a task must have for an alert to be sent.
// The one that holds further addresses is not required, and has a default name.
func properties(u destination.Use[Event]) []destination.Property {
	gate := u.Settings.AlertEnableByCustomProperty
	if !slices.ContainsFunc(u.Kinds, aboutReload) || !gate.Enable {
		return nil
	}
	return []destination.Property{{
		Path: u.Path + ".alertEnableByCustomProperty.customPropertyName", Name: gate.CustomPropertyName, Value: gate.EnabledValue,
	}}
}

func needs(u destination.Use[Event]) destination.Needs {
	task, app := slices.ContainsFunc(u.Kinds, aboutTask), slices.ContainsFunc(u.Kinds, aboutApp)
	out := destination.Needs{Task: task, Execution: task || app, App: app, Owner: app}
	if app {
		out.ScriptHead, out.ScriptTail = u.Settings.HeadScriptLogLines, u.Settings.TailScriptLogLines
	}
	return out
}

// general is the built-in template of alert kinds without one of their own.
const general = "alert"

// builtin returns the name of the built-in template of an alert kind.
func builtin(kind messages.AlertKind) string { return cmp.Or(template.BuiltinName(kind), general) }

// sender mails the alerts of one use.
type sender struct {
	event     Event
	pool      *sessionPool
	from      mail.Address
	log       *zap.Logger
	subject   template.Renderer
	templates *template.Set
	files     []string
	builtin   func(messages.AlertKind) string
	fields    template.FieldOptions
	// badTemplate counts templates that could not be used.
	badTemplate func()
}

func newSender(c Config, u destination.Use[Event], d destination.Deps) (destination.Destination, error) {
	e := u.Settings
	from, err := senderOf(e.FromAddress)
	if err != nil {
		return nil, fmt.Errorf("fromAddress: %w", err)
	}
	subject, err := template.Parse(e.Subject, template.Line)
	if err != nil {
		return nil, fmt.Errorf("subject: %w", err)
	}
	return &sender{
		event: e, pool: newSessionPool(c.SMTP), from: from, log: d.Log, subject: subject,
		templates: template.NewSet(template.HTML, template.Embedded(files), filepath.Join(d.BaseDir, "partials")),
		files:     e.templateFiles(d), builtin: builtin, badTemplate: d.BadTemplate(),
		fields: template.FieldOptions{
			Links: d.Links, Location: d.Location,
			HeadLines: e.HeadScriptLogLines, TailLines: e.TailScriptLogLines, Version: buildinfo.Read().Version,
		},
	}, nil
}

// userForm returns how mails of a kind format the user.
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

// templateFiles lists the possible paths of the body template: as written and with the
// suffix of the shipped templates. It is empty, for the built-in one, without a directory.
func (e Event) templateFiles(d destination.Deps) []string {
	if e.BodyFileDirectory == "" || e.HTMLTemplateFile == "" {
		return nil
	}
	return spellings(filepath.Join(d.Path(e.BodyFileDirectory), e.HTMLTemplateFile))
}

func spellings(path string) []string {
	return []string{path + template.Extension, path + "-qseow" + template.Extension}
}

// Deliver sends one mail to the notice's recipient.
func (s *sender) Deliver(ctx context.Context, n messages.Notice) (destination.Receipt, error) {
	raw, from, err := s.mail(n)
	if err != nil {
		return destination.Receipt{}, destination.Permanent(err)
	}
	if err := s.pool.send(ctx, envelope{from: s.from.Address, to: n.Recipient, mail: raw}); err != nil {
		return destination.Receipt{}, err
	}
	return destination.Receipt{Status: "250", Detail: from}, nil
}

// Close implements destination.Closer.
func (s *sender) Close() { s.pool.close() }

var _ destination.Closer = (*sender)(nil)

// Preview implements destination.Previewer. It returns the mail in its wire form;
// saved as an .eml file, it can be opened by mail programs.
func (s *sender) Preview(n messages.Notice) (string, error) {
	raw, _, err := s.mail(n)
	return string(raw), err
}

var _ destination.Previewer = (*sender)(nil)

// UseTemplate implements destination.Templated.
func (s *sender) UseTemplate(file string) error {
	path, ok := strings.CutSuffix(file, template.Extension)
	if !ok {
		return fmt.Errorf("the name of a template for mail has to end in %s: %s", template.Extension, file)
	}
	s.files = spellings(path)
	return nil
}

var _ destination.Templated = (*sender)(nil)

// mail returns the encoded mail of a notice and the name of its body template.
func (s *sender) mail(n messages.Notice) (raw []byte, from string, err error) {
	if !validAddress(n.Recipient) {
		return nil, "", fmt.Errorf("%q is not a mail address", printableAddress(n.Recipient))
	}
	m, from := s.letter(n)
	raw, err = m.encode(time.Now())
	if err != nil {
		return nil, "", fmt.Errorf("write mail: %w", err)
	}
	return raw, from, nil
}

// letter composes the mail and returns the name of its body template.
func (s *sender) letter(n messages.Notice) (m letter, from string) {
	options := s.fields
	options.User = userForm(n.Alert.Kind)
	fields := template.Fields(n, options)
	who := s.event.recipientsOf(&n.Alert)
	fields["emailRecipients"] = map[string]any{"taskSpecific": list(who.fromTask), "common": list(who.common)}
	bound(fields)
	html, from := s.body(n, fields)
	return letter{
		id: string(n.ID), from: s.from, to: n.Recipient, priority: strings.ToLower(s.event.Priority),
		subject: s.subjectOf(fields), html: html, plain: template.PlainText(fields),
	}, from
}

// bound cuts long texts, so that the mail stays readable. It keeps the last steps of
// the history, which show how the execution ended.
func bound(fields map[string]any) {
	log := map[string]any{}
	for name, cut := range template.LongTexts {
		text, _ := fields[name].(string)
		log[name] = cut(text, maxLog, template.Units)
	}
	if steps, _ := fields["executionDetails"].([]any); len(steps) > maxSteps {
		fields["executionDetails"] = steps[len(steps)-maxSteps:]
	}
	template.CutTexts(fields, maxText, template.Units)
	maps.Copy(fields, log)
}

func (s *sender) subjectOf(fields map[string]any) string {
	line, err := s.subject.Render(fields)
	if err != nil {
		s.badTemplate()
	}
	if err != nil || line == "" {
		line = fmt.Sprintf("%s: %s", fields["alertTitle"], fields["alertSubject"])
	}
	return template.CutEnd(line, maxSubject, template.Units)
}

// body renders the template, else the built-in one, else plain text.
func (s *sender) body(n messages.Notice, fields map[string]any) (html, from string) {
	rendered, err := s.templates.Render(template.Source{Files: s.files, Builtin: s.builtin(n.Alert.Kind)}, fields)
	if rendered.Warning != nil || err != nil {
		s.badTemplate()
	}
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
