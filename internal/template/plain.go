package template

import (
	"fmt"
	"strings"

	"butler/internal/template/handlebars"
	"butler/messages"
)

// plainRow is one line of a plain message: a label and the name of a field, or of one in it.
type plainRow struct{ label, field string }

// plainRows are the lines of a plain message. Those with an empty field are omitted.
var plainRows = []plainRow{
	{"Script error", "scriptError"},
	{"Task", "taskName"},
	{"App", "appName"},
	{"Service", "serviceDisplayName"},
	{"Service name", "serviceName"},
	{"Host", "host"},
	{"State", "serviceStatus"},
	{"Before", "servicePrevStatus"},
	{"Valid to", "expiryDateStr"},
	{"Tenant", "tenantUrl"},
	{"Error", "errorMessage"},
	{"Result", "executionResult"},
	{"Started", "executionStartTime.startTimeLocal"},
	{"Ended", "executionStopTime.stopTimeLocal"},
	{"Duration", "executionDurationText"},
	{"Node", "executingNodeName"},
	{"Reported by", "hostName"},
	{"Log time", "logTimeStamp"},
	{"Message", "logMessage"},
	{"User", "user"},
	{"Next execution", "taskNextExecutionLocal"},
	{"App owner", "appOwnerName"},
	{"Stream", "appStreamName"},
	{"Task ID", "taskId"},
	{"App ID", "appId"},
	{"Execution ID", "executionId"},
	{"Reload ID", "reloadId"},
	{"QMC", "qlikSenseQMC"},
	{"Hub", "qlikSenseHub"},
	{"App link", "appUrl"},
}

// text returns the text of the field.
func (r plainRow) text(fields map[string]any) string {
	outer, inner, nested := strings.Cut(r.field, ".")
	if !nested {
		return shown(fields[outer])
	}
	in, _ := fields[outer].(map[string]any)
	return shown(in[inner])
}

// PlainText returns the content of fields, which are those of Fields, as plain text
// without a template: for readers without HTML, and if every template fails.
func PlainText(fields map[string]any) string {
	var out strings.Builder
	out.WriteString(oneLine(shown(fields["alertTitle"])) + "\n\n")
	for _, note := range Notes(fields) {
		out.WriteString(note + "\n\n")
	}
	for _, row := range plainRows {
		if text := row.text(fields); text != "" {
			fmt.Fprintf(&out, "%-15s %s\n", row.label+":", oneLine(text))
		}
	}
	for _, part := range []plainRow{
		{"End of the script log", "scriptLogTail"},
		{"History", "executionHistory"},
		{"Start of the script log", "scriptLogHead"},
	} {
		if text := part.text(fields); text != "" {
			fmt.Fprintf(&out, "\n%s:\n%s\n", part.label, strings.TrimRight(strings.ReplaceAll(text, "\r", ""), "\n"))
		}
	}
	return out.String()
}

// Notes returns the field alertNotes: texts that every message has to show, even if the
// template does not.
func Notes(fields map[string]any) []string {
	notes, _ := fields["alertNotes"].([]any)
	out := make([]string, 0, len(notes))
	for _, note := range notes {
		out = append(out, shown(note))
	}
	return out
}

// notes returns the notes of an alert: that it is a test, that details are missing, and
// that earlier alerts were suppressed.
func notes(n messages.Notice) []string {
	var out []string
	if n.Alert.Test {
		out = append(out, "This is a test alert. Nothing has happened.")
	}
	if len(n.Alert.Degraded) > 0 {
		out = append(out, "Details are missing: "+oneLine(strings.Join(n.Alert.Degraded, "; "))+".")
	}
	about := ""
	if n.Alert.TaskEvent() {
		about = " about this task"
	}
	switch held := n.SuppressedBefore; {
	case held == 1:
		out = append(out, "One earlier alert"+about+" was held back by the rate limit.")
	case held > 1:
		out = append(out, fmt.Sprintf("%d earlier alerts%s were held back by the rate limit.", held, about))
	}
	return out
}

// shown returns the text of a field, "" if it is not text.
func shown(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case handlebars.Named:
		return v.Text
	default:
		return ""
	}
}
