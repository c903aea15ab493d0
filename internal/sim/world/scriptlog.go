package world

import (
	"strconv"
	"strings"
	"time"

	"butler/internal/qlik"
)

// logTime is the date form at the start of every script log line.
const logTime = "2006-01-02 15:04:05"

// ScriptLog is the script log of one execution.
type ScriptLog struct {
	lines []string
}

// Lines returns the lines without line ends. The last one is empty, since a script
// log ends with a line end. Frozen.
func (l ScriptLog) Lines() []string { return l.lines }

// Text returns the log with end as the line end.
func (l ScriptLog) Text(end string) string { return strings.Join(l.lines, end) }

// ScriptLog returns the script log of a task's last execution, if the result or file
// reference identifier is of that execution and its log already exists.
func (w *World) ScriptLog(taskID, resultOrFileID string) (ScriptLog, bool) {
	number, ok := w.taskNumber(taskID)
	if !ok {
		return ScriptLog{}, false
	}
	r := w.currentRun(number)
	key := w.runKey(number, r)
	known := strings.EqualFold(resultOrFileID, w.identity.id(kindResult, key)) ||
		strings.EqualFold(resultOrFileID, w.identity.id(kindFile, key))
	if !known || r.never || r.outcome.NoScriptLog || w.elapsed(r) < r.outcome.Duration {
		return ScriptLog{}, false
	}
	return w.scriptLogOf(number, r), true
}

func (w *World) scriptLogOf(number uint64, r run) ScriptLog {
	lines := w.logBeginning(number, r)
	for i, text := range lines {
		lines[i] = logLine(r.start, text)
	}
	for i := range r.outcome.ScriptLogLines {
		after := r.outcome.Duration * time.Duration(i) / time.Duration(r.outcome.ScriptLogLines)
		lines = append(lines, logLine(r.start.Add(after), loadText(i)))
	}
	for _, text := range logEnding(r.outcome.Final) {
		lines = append(lines, logLine(r.start.Add(r.outcome.Duration), text))
	}
	return ScriptLog{lines: append(lines, "")}
}

// scriptLogSize returns the size of a log with CRLF line ends, in bytes. Every read of
// a task needs it, so it is computed without building the load lines.
func (w *World) scriptLogSize(number uint64, r run) int {
	size := 0
	for _, text := range w.logBeginning(number, r) {
		size += len(logTime) + 1 + len(text) + 2
	}
	var scratch [64]byte
	for i := range r.outcome.ScriptLogLines {
		size += len(logTime) + 1 + len(appendLoadText(scratch[:0], i)) + 2
	}
	for _, text := range logEnding(r.outcome.Final) {
		size += len(logTime) + 1 + len(text) + 2
	}
	return size
}

// logBeginning returns the first lines, without their times.
func (w *World) logBeginning(number uint64, r run) []string {
	execution := w.executionOf(number, r)
	return []string{
		"     Execution started.",
		"     Product version: " + productVersion,
		"     Executing node: " + execution.Node,
		"     Reload task: " + execution.TaskName,
		"     App: " + execution.AppName + " (" + execution.AppID + ")",
		"     Execution: " + execution.ExecutionID,
		"0002 SET ThousandSep=','",
		"0003 SET DecimalSep='.'",
	}
}

func logLine(at time.Time, text string) string { return at.Format(logTime) + " " + text }

func loadText(i int) string { return string(appendLoadText(nil, i)) }

// appendLoadText appends the i-th line about loading.
func appendLoadText(b []byte, i int) []byte {
	b = strconv.AppendInt(b, int64(1000+i), 10)
	b = strconv.AppendInt(append(b, "      "...), int64(100+17*i), 10)
	return append(b, " lines fetched"...)
}

func logEnding(final qlik.ExecutionStatus) []string {
	switch final {
	case qlik.StatusFinishedSuccess:
		return []string{"     Execution finished."}
	case qlik.StatusAborted:
		return []string{"     Reload aborted by request", "     Execution aborted."}
	default:
		return []string{
			"     Error: Field 'Amount & <Tax>' not found",
			`     LOAD OrderID, "Amount & <Tax>" FROM [lib://Sales (näs01)/orders.qvd] (qvd)`,
			"     Execution Failed",
			"     Execution finished.",
		}
	}
}
