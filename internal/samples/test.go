package samples

import (
	"strings"
	"time"

	"butler/messages"
)

// What marks a test alert where a message has no room for the mark itself.
const (
	// TestHost is the node that test alerts come from.
	TestHost = "butler-test"
	// TestPrefix begins the name of the task, app or service.
	TestPrefix = "TEST "
	// TestMessage is its log message.
	TestMessage = "This is a test of butler: nothing has happened"
)

// Test returns a complete alert of kind that tries a destination: it happens at
// now, and run, which tells two runs apart, is in all its identifiers, so that
// nobody takes it for one of an earlier run. The addresses of its people are
// nobody's.
func Test(kind messages.AlertKind, run string, now time.Time) messages.Alert {
	a := Complete(kind)
	a.Test, a.Key = true, messages.ExecutionKey(run)
	a.ID = messages.NewAlertID(a.Key, kind)
	later := shift(now.Sub(EventTime()))
	a.DecidedAt = now

	if a.TaskEvent() {
		a.Event.ExecutionID, a.Event.HostName, a.Event.LogMessage = run, TestHost, TestMessage
		a.Event.TaskName = TestPrefix + a.Event.TaskName
		a.Event.At, a.Event.LogTimestamp = now, now.Local().Format("2006-01-02 15:04:05,000")
		a.Task.Name, a.Task.NextExecution = TestPrefix+a.Task.Name, later.iso(a.Task.NextExecution)
	}
	a.App.LastReloadTime = later.iso(a.App.LastReloadTime)
	a.Execution.Start, a.Execution.Stop = later.iso(a.Execution.Start), later.iso(a.Execution.Stop)
	for i := range a.Execution.Details {
		a.Execution.Details[i].Created = later.iso(a.Execution.Details[i].Created)
	}
	a.ScriptLog.Head, a.ScriptLog.Tail = later.lines(a.ScriptLog.Head), later.lines(a.ScriptLog.Tail)
	for i, p := range a.Points {
		a.Points[i] = p.Tag("test", "true")
	}
	if a.Service.Name != "" {
		a.Service.Host, a.Service.FriendlyName = TestHost, TestPrefix+a.Service.FriendlyName
	}
	if a.License.ExpiryDate != "" {
		a.License.ExpiryDate = now.AddDate(0, 0, a.License.DaysLeft).Format(time.DateOnly)
	}
	if kind == messages.CloudReloadFailed {
		a.App.Name, a.Cloud.ReloadID, a.Cloud.LogMessage = TestPrefix+a.App.Name, run, TestMessage
		a.Cloud.EventTime = later.iso(a.Cloud.EventTime)
	}
	return a
}

// shift moves the times of a sample.
type shift time.Duration

// iso moves a time as Qlik Sense writes it; any other text stays as it is.
func (s shift) iso(text string) string {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return text
	}
	layout := "2006-01-02T15:04:05Z07:00"
	if strings.Contains(text, ".") {
		layout = "2006-01-02T15:04:05.000Z07:00"
	}
	return at.Add(time.Duration(s)).UTC().Format(layout)
}

// siteZone is the time zone of the node that the samples come from.
var siteZone = time.FixedZone("CEST", 2*60*60)

// lines moves the times at the beginning of the lines of a script log, to the
// time zone of this machine.
func (s shift) lines(in []string) []string {
	out := make([]string, len(in))
	for i, line := range in {
		out[i] = line
		at, err := time.ParseInLocation(time.DateTime, line[:min(len(line), len(time.DateTime))], siteZone)
		if err == nil {
			out[i] = at.Add(time.Duration(s)).Local().Format(time.DateTime) + line[len(time.DateTime):]
		}
	}
	return out
}
