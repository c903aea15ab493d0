package destinationtest

import (
	"strings"
	"time"

	"butler/internal/samples"
	"butler/messages"
)

// Form says what is special about a sample alert.
type Form string

// The forms of a sample alert.
const (
	// FormComplete has every field filled as a healthy cluster fills it.
	FormComplete Form = "complete"
	// FormDegraded has what the datagram said and nothing else: the QRS did not answer.
	FormDegraded Form = "degraded"
	// FormHostile is complete, and its texts try to break every format that a
	// destination writes: line breaks, control characters, quotes, markup,
	// template syntax, commas, trailing backslashes, bytes that are no UTF-8.
	FormHostile Form = "hostile"
	// FormOverlong is complete, and every free text is far longer than any provider takes.
	FormOverlong Form = "overlong"
)

// Forms lists every form, in the order in which Alerts returns them.
func Forms() []Form { return []Form{FormComplete, FormDegraded, FormHostile, FormOverlong} }

// Sample is an alert to try a destination with.
type Sample struct {
	// Name is "<kind>_<form>": the name of a subtest and of a golden file.
	Name  string
	Form  Form
	Alert messages.Alert
}

// Alerts returns every form of every alert kind. The values are always the
// same, so golden files can be compared with them.
func Alerts() []Sample {
	var out []Sample
	for _, kind := range messages.AllKinds() {
		out = append(out, AlertsOf(kind)...)
	}
	return out
}

// AlertsOf returns every form of one alert kind.
func AlertsOf(kind messages.AlertKind) []Sample {
	build := map[Form]func(messages.AlertKind) messages.Alert{
		FormComplete: Complete, FormDegraded: Degraded, FormHostile: Hostile, FormOverlong: Overlong,
	}
	out := make([]Sample, 0, len(build))
	for _, form := range Forms() {
		out = append(out, Sample{Name: string(kind) + "_" + string(form), Form: form, Alert: build[form](kind)})
	}
	return out
}

// Identifiers of the sample alerts.
const (
	TaskID      = samples.TaskID
	AppID       = samples.AppID
	ExecutionID = samples.ExecutionID
)

// EventTime is when the sample events were received: a fixed moment.
func EventTime() time.Time { return samples.EventTime() }

// Complete returns an alert of kind of which everything is known.
func Complete(kind messages.AlertKind) messages.Alert { return samples.Complete(kind) }

// Degraded returns an alert of kind of which only what announced it is known.
func Degraded(kind messages.AlertKind) messages.Alert { return samples.Degraded(kind) }

// ScriptLog returns a script log of rows lines, all of them in Head and in Tail.
func ScriptLog(rows int) messages.ScriptLog { return samples.ScriptLog(rows) }

// hostileText is what somebody may type into the name of a task.
const hostileText = "Nightly \"Sales\" 'all' <b>&amp;</b> <!channel> {{task}} ${env:HOME} a,b=c d;e|f`g` " +
	"line1\r\nBcc: evil@example.com\tafter tab \x00\x07\x1b[31m nbsp\u00a0 räksmörgås 日本語 🚀 \u202egnp.exe " +
	"\xff\xfe ../../etc/passwd %0d%0a \\n C:\\temp\\"

// HostileText returns the hostile text of FormHostile: it holds bytes that are no UTF-8.
func HostileText() string { return hostileText }

// Hostile returns an alert of kind whose texts try to break the destination's format.
func Hostile(kind messages.AlertKind) messages.Alert {
	return withText(Complete(kind), func(string) string { return hostileText })
}

// overlong is long in bytes and in runes, and every cut in the middle of a rune shows.
var overlong = strings.Repeat("0123456789 åäö 日本語 🚀 ", 2000)

// Overlong returns an alert of kind whose texts are about 70 kB each.
func Overlong(kind messages.AlertKind) messages.Alert {
	a := Complete(kind)
	if a.ScriptLog.Available {
		a.ScriptLog = ScriptLog(5)
	}
	return withText(a, func(old string) string { return old + overlong })
}

// withText replaces every free text of a complete alert, keeping identifiers, times and numbers.
func withText(a messages.Alert, text func(string) string) messages.Alert {
	e := &a.Event
	for _, s := range []*string{&e.HostName, &e.TaskName, &e.User, &e.LogTimestamp, &e.LogLevel, &e.LogMessage} {
		*s = text(*s)
	}
	if e.AppID != "" {
		e.AppName = text(e.AppName)
	}
	for _, s := range []*string{&a.Task.Name, &a.Task.ModifiedBy, &a.Execution.Node} {
		*s = text(*s)
	}
	if a.App.Known {
		for _, s := range []*string{&a.Task.AppName, &a.App.Name, &a.App.Description, &a.App.StreamName, &a.Owner.Name, &a.Owner.UserID, &a.Owner.Directory} {
			*s = text(*s)
		}
	}
	a.Task.Tags, a.App.Tags = textsOf(a.Task.Tags, text), textsOf(a.App.Tags, text)
	a.Task.CustomProperties = propertiesOf(a.Task.CustomProperties, text)
	a.App.CustomProperties = propertiesOf(a.App.CustomProperties, text)
	a.ScriptLog.Head, a.ScriptLog.Tail = textsOf(a.ScriptLog.Head, text), textsOf(a.ScriptLog.Tail, text)
	for i := range a.Execution.Details {
		a.Execution.Details[i].Message = text(a.Execution.Details[i].Message)
	}
	a.Event.Sanitised = true
	s, c := &a.Service, &a.Cloud
	for _, t := range []*string{
		&s.Host, &s.Name, &s.FriendlyName, &s.DisplayName, &s.ExePath, &a.License.ExpiryDate, &c.TenantComment, &c.UserName,
		&c.ErrorCode, &c.ErrorMessage, &c.LogMessage, &c.Source, &c.Statements, &c.UsageDuration, &a.Usage.Version,
	} {
		if *t != "" {
			*t = text(*t)
		}
	}
	a.Points = pointsOf(a.Points, text)
	return a
}

func pointsOf(in []messages.Point, text func(string) string) []messages.Point {
	var out []messages.Point
	for _, p := range in {
		q := messages.Point{Tags: propertiesOf(p.Tags, text)}
		for _, f := range p.Fields {
			if f.Type == messages.TextField {
				f.Text = text(f.Text)
			}
			q.Fields = append(q.Fields, f)
		}
		out = append(out, q)
	}
	return out
}

func textsOf(in []string, text func(string) string) []string {
	var out []string
	for _, s := range in {
		out = append(out, text(s))
	}
	return out
}

func propertiesOf(in []messages.Property, text func(string) string) []messages.Property {
	var out []messages.Property
	for _, p := range in {
		out = append(out, messages.Property{Name: p.Name, Value: text(p.Value)})
	}
	return out
}

// NoticeOf wraps an alert into the notice that an instance would get of it.
func NoticeOf(a messages.Alert, instance, recipient string) messages.Notice {
	return messages.Notice{
		NoticeHead: messages.NoticeHead{
			ID: messages.NewNoticeID(a.ID, instance, recipient), Instance: instance, Recipient: recipient,
			QueuedAt: a.DecidedAt, Exempt: a.Test,
		},
		Alert: a,
	}
}
