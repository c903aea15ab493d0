package template

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"butler/internal/template/handlebars"
	"butler/internal/text"
	"butler/messages"
)

// FieldOptions are the options of a destination for the fields of its messages.
type FieldOptions struct {
	Links Links
	// Location is the zone of local times; nil means UTC.
	Location *time.Location
	// User returns the user in the form to show; nil means as the node sent it.
	User func(messages.TaskEvent) string
	// HeadLines and TailLines are the numbers of script log lines to show.
	HeadLines, TailLines int
	// Version is the version of this program.
	Version string
}

// Fields returns all fields that a template can use for a notice. A field has the same
// name for every alert kind that has it. Values are string, bool, int, int64, nil, []any,
// map[string]any and handlebars.Named. What could not be looked up is an empty text, or
// nil instead of a number or boolean, whose zero value would be wrong.
// Texts are valid UTF-8 without control characters other than line breaks and tabs.
func Fields(n messages.Notice, o FieldOptions) map[string]any {
	if o.Location == nil {
		o.Location = time.UTC
	}
	a := n.Alert
	out := map[string]any{
		"alertKind": string(a.Kind), "alertTitle": TitleOf(a), "alertOutcome": string(OutcomeOf(a.Kind)), "alertSubject": SubjectOf(a),
		"degraded": texts(a.Degraded), "suppressedAlerts": n.SuppressedBefore, "testAlert": a.Test,
		"alertNotes": texts(notes(n)), "butlerVersion": o.Version,
	}
	maps.Copy(out, linkFields(a, o.Links))
	switch a.Kind {
	case messages.ServiceStopped, messages.ServiceStarted, messages.ServiceStatus:
		maps.Copy(out, serviceFields(a.Service))
	case messages.LicenseStatus, messages.LicenseExpiring:
		maps.Copy(out, licenseFields(a.License))
	case messages.CloudReloadFailed:
		maps.Copy(out, cloudFields(a, o))
	default:
		maps.Copy(out, eventFields(a, o))
		maps.Copy(out, taskFields(a.Task, o.Location))
		maps.Copy(out, appFields(a.App, o.Location))
		maps.Copy(out, ownerFields(a.Owner))
		maps.Copy(out, executionFields(a.Execution, o.Location))
		maps.Copy(out, scriptLogFields(a, o))
	}
	MapTexts(out, printable)
	return out
}

func eventFields(a messages.Alert, o FieldOptions) map[string]any {
	e := a.Event
	user := e.User
	if o.User != nil {
		user = o.User(e)
	}
	return map[string]any{
		"hostName": e.HostName, "user": user, "logTimeStamp": e.LogTimestamp, "logLevel": e.LogLevel,
		"logMessage": e.LogMessage, "executionId": e.ExecutionID,
		"taskName": cmp.Or(e.TaskName, a.Task.Name), "taskId": cmp.Or(e.TaskID, a.Task.ID),
		"appName": cmp.Or(e.AppName, a.App.Name, a.Task.AppName), "appId": cmp.Or(e.AppID, a.App.ID, a.Task.AppID),
	}
}

func taskFields(t messages.Task, zone *time.Location) map[string]any {
	return map[string]any{
		"taskTags": texts(t.Tags), "taskCustomProperties": properties(t.CustomProperties),
		"taskModifiedByUsername": t.ModifiedBy, "taskModifiedDate": t.ModifiedDate,
		"taskNextExecution":       orNever(t.NextExecution),
		"taskNextExecutionLocal":  zonedOrNever(t.NextExecution, zone),
		"taskIsManuallyTriggered": ifKnown(t.Known, t.ManuallyTriggered),
		"taskIsPartialReload":     ifKnown(t.Known, t.PartialReload),
		"taskMaxRetries":          ifKnown(t.Known, t.MaxRetries),
		"taskSessionTimeout":      ifKnown(t.Known, t.SessionTimeout),
	}
}

func appFields(a messages.App, zone *time.Location) map[string]any {
	return map[string]any{
		"appDescription": a.Description, "appFileSize": ifKnown(a.Known, a.FileSize),
		"appLastSuccessfulReload": orNever(a.LastReloadTime), "appLastSuccessfulReloadLocal": zonedOrNever(a.LastReloadTime, zone),
		"appLastModifiedDate":       a.ModifiedDate,
		"appLastModifiedByUserName": a.ModifiedBy, "appPublishTime": orNever(a.PublishTime),
		"appPublished": ifKnown(a.Known, a.Published),
		"appStreamName": handlebars.Named{
			Text: a.StreamName, Fields: map[string]any{"id": a.StreamID, "name": a.StreamName},
		},
		"appTags": texts(a.Tags), "appCustomProperties": properties(a.CustomProperties),
	}
}

func ownerFields(o messages.Owner) map[string]any {
	return map[string]any{
		"appOwnerName": o.Name, "appOwnerUserId": o.UserID,
		"appOwnerUserDirectory": o.Directory, "appOwnerEmail": o.Email(),
	}
}

func executionFields(e messages.Execution, zone *time.Location) map[string]any {
	out := map[string]any{
		"executingNodeName":  e.Node,
		"executionStartTime": timeFields("startTime", e.Start, zone),
		"executionStopTime":  timeFields("stopTime", e.Stop, zone),
		"executionDuration":  map[string]any{}, "executionStatusNum": nil, "executionStatusText": "",
		"executionDurationText": "", "executionResult": "",
	}
	if e.Known {
		out["executionDuration"], out["executionDurationText"] = durationFields(e.Duration), durationWords(e.Duration)
		out["executionStatusNum"] = int(e.Status)
		out["executionStatusText"] = e.Status.String()
		out["executionResult"] = fmt.Sprintf("%s (%s, code %d)", e.Status.Words(), e.Status, int(e.Status))
	}
	steps := make([]any, 0, len(e.Details))
	var concatenated, history strings.Builder
	for _, d := range e.Details {
		step := timeFields("timestamp", d.Created, zone)
		step["message"], step["detailsType"], step["detailCreatedDate"] = d.Message, d.Type, d.Created
		steps = append(steps, step)
		concatenated.WriteString(d.Created + "\t" + d.Message + "\n")
		history.WriteString(step["timestampLocal"].(string) + "  " + d.Message + "\n")
	}
	out["executionDetails"] = steps
	out["executionHistory"] = history.String()
	out["executionDetailsConcatenated"] = concatenated.String()
	out["executionDetailsText"] = concatenated.String()
	return out
}

func scriptLogFields(a messages.Alert, o FieldOptions) map[string]any {
	log := a.ScriptLog
	out := map[string]any{
		"scriptLogSize": int64(0), "scriptLogSizeRows": ifKnown(log.Rows > 0, log.Rows), "scriptLogSizeCharacters": ifKnown(log.Rows > 0, log.Characters),
		"scriptLogHead": strings.Join(log.HeadLines(o.HeadLines), "\r\n"), "scriptLogHeadCount": o.HeadLines,
		"scriptError":   scriptError(log.Tail),
		"scriptLogTail": strings.Join(log.TailLines(o.TailLines), "\r\n"), "scriptLogTailCount": o.TailLines,
	}
	if log.Available {
		out["scriptLogSize"] = a.Execution.ScriptLogSize
	}
	return out
}

// errorLine is a line of a script log that says what went wrong, after its time.
var errorLine = regexp.MustCompile(`^\S+(?: \d\d:\d\d:\d\d\S*)?\s+(Error\b.*)$`)

// maxScriptError is how many characters of it are shown.
const maxScriptError = 500

// scriptError returns the last error in a script log, "" if it shows none.
func scriptError(log []string) string {
	for _, line := range slices.Backward(log) {
		if found := errorLine.FindStringSubmatch(line); found != nil {
			return text.Shorten(strings.TrimPrefix(strings.TrimSpace(found[1]), "Error: "), maxScriptError)
		}
	}
	return ""
}

func linkFields(a messages.Alert, l Links) map[string]any {
	generic := make([]any, 0, len(l.Generic))
	for _, g := range l.Generic {
		generic = append(generic, map[string]any{"id": g.ID, "linkText": g.LinkText, "comment": g.Comment, "url": g.URL})
	}
	return map[string]any{
		"qlikSenseQMC": l.QMC, "qlikSenseHub": l.Hub, "appUrl": l.AppURL(a), "genericUrls": generic,
	}
}

// ifKnown returns v, or nil if it is not known.
func ifKnown[T any](known bool, v T) any {
	if !known {
		return nil
	}
	return v
}

func texts(in []string) []any {
	out := make([]any, len(in))
	for i, s := range in {
		out[i] = s
	}
	return out
}

func properties(in []messages.Property) []any {
	out := make([]any, len(in))
	for i, p := range in {
		out[i] = map[string]any{"name": p.Name, "value": p.Value}
	}
	return out
}

// printable removes what cannot be shown or changes how the surrounding text is shown:
// invalid UTF-8, control characters except line breaks and tabs, and bidirectional
// controls. Unlike text.Prose it leaves no replacement, keeps line ends as they are, and
// cuts nothing.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case ' ' <= r && r <= '~', r == '\n', r == '\r', r == '\t': // almost every text is nothing else
			return r
		case unicode.IsControl(r), r == unicode.ReplacementChar, unicode.Is(unicode.Bidi_Control, r):
			return -1
		default:
			return r
		}
	}, strings.ToValidUTF8(s, ""))
}
