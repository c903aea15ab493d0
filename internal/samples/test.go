package samples

import (
	"strings"
	"time"

	"butler/messages"
)

// The marks of a test alert in messages without room for a mark of their own.
const (
	// TestHost is the node of test alerts.
	TestHost = "butler-test"
	// TestPrefix is the prefix of the name of the task, app or service.
	TestPrefix = "TEST "
	// TestMessage is the log message of a test alert.
	TestMessage = "This is a test of butler: nothing has happened"
)

// Test returns a complete alert of kind that tests a destination. It happens at now.
// run, which is unique to a run, is part of all its identifiers, so that it differs
// from the alerts of earlier runs. Its mail addresses belong to nobody.
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

// iso moves a time in the format of Qlik Sense; any other text is returned unchanged.
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

// siteZone is the time zone of the node in the samples.
var siteZone = time.FixedZone("CEST", 2*60*60)

// lines moves the times at the beginning of the lines of a script log, and converts
// them to the time zone of this machine.
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
