package newrelic

import (
	"cmp"
	"fmt"
	"strings"
	"unicode/utf8"

	"butler/internal/template"
	"butler/messages"
)

// maxBody is the largest request that New Relic accepts, in bytes.
const maxBody = 1_000_000

// shorter are the lengths that values are cut to, in turn, until a request fits. With
// the last it always does: all names and values of an alert are then below the limit.
var shorter = []int{maxValue, 1024, 256, 64}

// body returns the request of a notice. If it is too large, the oldest lines of the
// script log are cut first, then all values.
func (s *sender) body(n messages.Notice) ([]byte, error) {
	if s.settings.form == asMetric {
		return s.metricBody(n)
	}
	var body []byte
	var err error
	for _, limit := range shorter {
		if body, err = s.compose(n, s.attributesOf(n, limit)); err != nil || len(body) <= maxBody {
			return body, err
		}
	}
	return nil, fmt.Errorf("it has %d bytes, and New Relic takes %d", len(body), maxBody)
}

func (s *sender) compose(n messages.Notice, attributes map[string]any) ([]byte, error) {
	if s.settings.form == asEvent {
		return template.EncodeJSON([]any{attributes})
	}
	entry := func(message string) ([]byte, error) {
		return template.EncodeJSON([]any{map[string]any{
			"common": map[string]any{"attributes": attributes},
			"logs":   []any{map[string]any{"message": message}},
		}})
	}
	empty, err := entry("")
	if err != nil {
		return nil, err
	}
	return entry(s.message(n.Alert, maxBody-len(empty)))
}

// separator is between the description of an execution and its script log.
const separator = "\r\n-------------------------------\r\n\r\n"

// noScriptLog replaces a script log that is not available.
const noScriptLog = "The script log is not available."

// message is the text of a log entry, of at most room bytes in JSON: the description
// of the execution, and the end of the script log.
func (s *sender) message(a messages.Alert, room int) string {
	about, text := parts(a, s.settings.TailScriptLogLines)
	about = strings.ToValidUTF8(about, "")
	text = strings.ToValidUTF8(text, "")
	if about == "" || text == "" {
		return template.CutLinesStart(about+text, room, inJSON)
	}
	about = template.CutLinesStart(about, room/2, inJSON)
	room -= weight(about) + weight(separator)
	return about + separator + template.CutLinesStart(text, room, inJSON)
}

// parts returns the text before the script log, and the script log. For alerts
// without a script, text is the only one.
func parts(a messages.Alert, tail int) (about, text string) {
	script := noScriptLog
	if a.ScriptLog.Available {
		script = strings.Join(a.ScriptLog.TailLines(tail), "\r\n")
	}
	switch a.Kind {
	case messages.ReloadTaskFailed, messages.ReloadTaskAborted, messages.ReloadTaskSucceeded:
		return steps(a.Execution), script
	case messages.CloudReloadFailed:
		return strings.Trim(a.Cloud.ErrorMessage+"\n"+a.Cloud.LogMessage, "\n"), script
	case messages.ServiceStopped, messages.ServiceStarted, messages.ServiceStatus:
		return "", serviceText(a.Service)
	case messages.LicenseStatus, messages.LicenseExpiring:
		return "", "Qlik Sense server licence: " + template.LicenseText(a.License) + "."
	default:
		return "", cmp.Or(steps(a.Execution), a.Event.LogMessage, template.TitleOf(a)+": "+template.SubjectOf(a))
	}
}

// steps returns the details of an execution, one per line.
func steps(e messages.Execution) string {
	var out strings.Builder
	for _, d := range e.Details {
		out.WriteString(d.Created + "\t" + d.Message + "\n")
	}
	return out.String()
}

func serviceText(s messages.Service) string {
	service := `Windows service "` + cmp.Or(s.DisplayName, s.Name) + `" on host "` + s.Host + `" is `
	if s.Status == "STOPPED" || s.Status == "RUNNING" {
		return service + s.Status + "."
	}
	return service + `in state "` + s.Status + `".`
}

// inJSON returns an upper bound of the length of a character in JSON, in bytes.
func inJSON(r rune) int {
	switch {
	case r == '"', r == '\\', r == '\n', r == '\r', r == '\t':
		return 2
	case r < ' ', r == utf8.RuneError, r == '\u2028', r == '\u2029':
		return 6
	default:
		return utf8.RuneLen(r)
	}
}

func weight(s string) int {
	total := 0
	for _, r := range s {
		total += inJSON(r)
	}
	return total
}
