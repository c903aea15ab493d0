package influxdb

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"butler/internal/qlik"
	"butler/internal/template"
	"butler/internal/text"
	"butler/messages"
)

// noScriptLog replaces a script log that is not available.
const noScriptLog = "Script log not available"

// recorder makes the points of one measurement of task events.
type recorder struct {
	rule   rule
	global Tags
	own    Measurement
	zone   *time.Location
}

// fill sets the content of an empty point from an alert. Values that could not be looked
// up are omitted.
func (r recorder) fill(p *point, a *messages.Alert) {
	p.measurement, p.at = r.rule.measurement, timestamp(a.Event.At, a.Event.ExecutionID)
	addStatic(p, r.global.Static)
	r.addEvent(p, a)
	if r.rule.execution {
		r.addExecution(p, a.Execution)
	}
	if r.rule.scriptLog {
		r.addScriptLog(p, a)
	}
	r.addDynamic(p, a)
	addStatic(p, r.own.Tag.Static)
}

// appendLine appends the line of an alert.
func (r recorder) appendLine(dst []byte, room *point, a *messages.Alert) []byte {
	room.reset()
	r.fill(room, a)
	return room.appendLine(dst)
}

// timestamp returns the timestamp of a point: the time of reception or of the reading,
// truncated to microseconds, plus nanoseconds that are a hash of name, the ID of the
// execution or the reading.
//
// A server keeps one point per series and timestamp, and two executions of a task have
// the same tags. So an event must have the same timestamp whenever it is stored, and two
// events different ones. Events received on one socket differ in the microseconds; the
// nanoseconds separate events that were received in the same microsecond on two machines,
// or before and after a clock was set back.
func timestamp(at time.Time, name string) time.Time {
	mark := fnv.New64a()
	_, _ = mark.Write([]byte(name)) // never fails
	return at.Truncate(time.Microsecond).Add(time.Duration(mark.Sum64() % uint64(time.Microsecond)))
}

func addStatic(p *point, tags []StaticTag) {
	for _, t := range tags {
		p.tag(t.Name, t.Value)
	}
}

// addEvent adds the values of the datagram, and the app of the task if the measurement has it.
func (r recorder) addEvent(p *point, a *messages.Alert) {
	e := &a.Event
	p.tag("host", e.HostName)
	p.tag("user", e.UserWithSlash())
	p.tag("task_id", e.TaskID)
	p.tag("task_name", e.TaskName)
	p.tag("log_level", e.LogLevel)
	p.text("log_timestamp", e.LogTimestamp)
	p.text("execution_id", e.ExecutionID)
	p.text("log_message", e.LogMessage)
	switch {
	case !r.rule.app:
	case r.rule.scriptLog:
		addApp(p, e.AppID, e.AppName)
	default:
		addApp(p, a.Task.AppID, a.Task.AppName)
	}
}

func addApp(p *point, id, name string) {
	p.tag("app_id", id)
	p.tag("app_name", name)
}

// maxDynamic bounds the total length of the names of dynamic tags, in bytes: a point with
// too many is stored with the first of them, because the server would refuse it.
const maxDynamic = 32_000

func (r recorder) addDynamic(p *point, a *messages.Alert) {
	room := maxDynamic
	add := func(prefix string, names []string) {
		for _, name := range names {
			key := prefix + name
			if room -= min(len(key), maxName); room < 0 {
				return
			}
			p.tag(key, "true")
		}
	}
	if r.own.Tag.Dynamic.UseTaskTags {
		add("taskTag_", a.Task.Tags)
	}
	if r.rule.scriptLog && r.own.Tag.Dynamic.UseAppTags {
		add("appTag_", a.App.Tags)
	}
}

// addExecution adds the execution result, if it is known.
func (r recorder) addExecution(p *point, e messages.Execution) {
	if !e.Known {
		return
	}
	addStatus(p, e.Node, e.Status, e.Status.String())
	seconds := int(max(e.Duration, 0) / time.Second)
	hours, minutes, rest := seconds/3600, seconds/60%60, seconds%60
	p.text("task_executionDuration_json", fmt.Sprintf(`{"hours":%d,"minutes":%d,"seconds":%d}`, hours, minutes, rest))
	p.number("task_executionDuration_sec", float64(seconds))
	p.number("task_executionDuration_min", float64(hours*60+minutes)+float64(rest)/60)
	p.number("task_executionDuration_h", float64(hours)+float64(minutes)/60+float64(rest)/3600)
	p.text("task_executionStartTime_json", timeText("startTime", e.Start, r.zone))
	p.text("task_executionStopTime_json", timeText("stopTime", e.Stop, r.zone))
}

// addStatus adds the node and the status. The text has a second, misspelt key that
// existing databases and dashboards use.
func addStatus(p *point, node string, status qlik.ExecutionStatus, text string) {
	p.tag("task_executingNodeName", node)
	p.tag("task_executionStatusNum", strconv.Itoa(int(status)))
	p.tag("task_executionStatusText", text)
	p.tag("task_exeuctionStatusText", text)
}

// timeText returns the forms of a time as a JSON object with the keys prefix+"Local1" to
// "Local5" and prefix+"UTC".
func timeText(prefix, iso string, zone *time.Location) string {
	times := template.Times(iso, zone)
	text := make([]byte, 0, 400)
	separator := byte('{')
	for i, local := range times.Local {
		text = append(text, separator, '"')
		text = append(append(text, prefix...), "Local"...)
		text = append(strconv.AppendInt(text, int64(i+1), 10), `":`...)
		text = appendJSON(text, local)
		separator = ','
	}
	text = append(append(append(text, `,"`...), prefix...), `UTC":`...)
	return string(append(appendJSON(text, times.UTC), '}'))
}

// appendJSON appends s as a JSON string.
func appendJSON(dst []byte, s string) []byte {
	if isClean(s) && !inJSON.anyOf(s) {
		return append(append(append(dst, '"'), s...), '"')
	}
	text, err := json.Marshal(s)
	if err != nil {
		panic("BUG: a text is no JSON: " + err.Error())
	}
	return append(dst, text...)
}

// addScriptLog adds the script log of a reload, preceded by the details of its execution.
func (r recorder) addScriptLog(p *point, a *messages.Alert) {
	head, tail := r.own.HeadScriptLogLines, r.own.TailScriptLogLines
	success := r.rule.final
	size, text := float64(a.Execution.ScriptLogSize), ""
	switch {
	case head == 0 && tail == 0 && (success || a.Execution.Known):
		if !success {
			text = failureText(a, tail)
		}
	case !a.ScriptLog.Available:
		size, head, tail = 0, 0, 0
		p.text("scriptLog", noScriptLog)
		if !a.Execution.Known {
			addStatus(p, "unknown", qlik.StatusUnknown, noScriptLog)
		}
	case success:
		text = successText(a, head, tail)
	default:
		text = failureText(a, tail)
	}
	p.number("task_scriptLogSize", size)
	p.number("task_scriptLogTailCount", float64(tail))
	if success {
		p.number("task_scriptLogHeadCount", float64(head))
	}
	if text != "" {
		p.text("scriptLog", text)
		p.text("reload_log", text)
	}
}

const (
	newLine = "\r\n"
	// maxDetails and maxHead bound the details of the execution and the first lines, in
	// bytes, so that there is always room for the last lines, which contain the error.
	maxDetails = 10_000
	maxHead    = 25_000
)

func failureText(a *messages.Alert, tail int) string {
	begin := detailsText(a.Execution) + newLine + strings.Repeat("-", 31) + newLine + newLine
	return begin + cutFront(linesText(a.ScriptLog.TailLines(tail)), maxField-len(begin))
}

func successText(a *messages.Alert, head, tail int) string {
	begin := detailsText(a.Execution) + newLine +
		fmt.Sprintf("---------- SCRIPT LOG HEAD (%d lines) ----------", head) + newLine +
		text.FirstBytes(linesText(a.ScriptLog.HeadLines(head)), maxHead) + newLine + newLine +
		fmt.Sprintf("---------- SCRIPT LOG TAIL (%d lines) ----------", tail) + newLine
	return begin + cutFront(linesText(a.ScriptLog.TailLines(tail)), maxField-len(begin))
}

func detailsText(e messages.Execution) string {
	var out strings.Builder
	for _, d := range e.Details {
		out.WriteString(valid(d.Created) + "\t" + valid(d.Message) + "\n")
	}
	return text.FirstBytes(out.String(), maxDetails)
}

func linesText(lines []string) string { return valid(strings.Join(lines, newLine)) }
