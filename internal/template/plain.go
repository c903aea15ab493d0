package template

import (
	"fmt"
	"strings"

	"butler/internal/template/handlebars"
	"butler/messages"
)

// plainRow is one line of a plain message: what it says, and which field says it.
type plainRow struct{ label, field string }

// plainRows are the lines of a plain message, in the order of reading.
var plainRows = []plainRow{
	{"Task", "taskName"},
	{"Task ID", "taskId"},
	{"App", "appName"},
	{"App ID", "appId"},
	{"App owner", "appOwnerName"},
	{"Stream", "appStreamName"},
	{"Service", "serviceDisplayName"},
	{"Service name", "serviceName"},
	{"Host", "host"},
	{"State", "serviceStatus"},
	{"Before", "servicePrevStatus"},
	{"Valid to", "expiryDateStr"},
	{"Tenant", "tenantUrl"},
	{"Reload ID", "reloadId"},
	{"Error", "errorMessage"},
	{"Result", "executionStatusText"},
	{"Node", "executingNodeName"},
	{"Reported by", "hostName"},
	{"Execution ID", "executionId"},
	{"Log time", "logTimeStamp"},
	{"User", "user"},
	{"Next execution", "taskNextExecution"},
	{"Message", "logMessage"},
	{"QMC", "qlikSenseQMC"},
	{"Hub", "qlikSenseHub"},
	{"App link", "appUrl"},
}

// PlainText says in plain lines what the fields of Fields say: for readers
// without HTML, and for when every template fails. It needs no template.
func PlainText(fields map[string]any) string {
	var out strings.Builder
	out.WriteString(oneLine(shown(fields["alertTitle"])) + "\n\n")
	for _, note := range Notes(fields) {
		out.WriteString(note + "\n\n")
	}
	for _, row := range plainRows {
		if text := shown(fields[row.field]); text != "" {
			fmt.Fprintf(&out, "%-15s %s\n", row.label+":", oneLine(text))
		}
	}
	for _, part := range []plainRow{
		{"History", "executionDetailsConcatenated"},
		{"Start of the script log", "scriptLogHead"},
		{"End of the script log", "scriptLogTail"},
	} {
		if text := shown(fields[part.field]); text != "" {
			fmt.Fprintf(&out, "\n%s:\n%s\n", part.label, strings.TrimRight(strings.ReplaceAll(text, "\r", ""), "\n"))
		}
	}
	return out.String()
}

// Notes returns the field alertNotes: what every reader must be told whatever
// the template shows.
func Notes(fields map[string]any) []string {
	notes, _ := fields["alertNotes"].([]any)
	out := make([]string, 0, len(notes))
	for _, note := range notes {
		out = append(out, shown(note))
	}
	return out
}

// notes says that an alert is a test, that details are missing, and that other alerts were held back.
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

// shown returns the text of a field, "" for what is no text.
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
