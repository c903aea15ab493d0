package world

import (
	"fmt"
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

// Lines returns the lines without line ends. The last one is empty: a script
// log ends with a line end. Frozen.
func (l ScriptLog) Lines() []string { return l.lines }

// Text returns the log with every line ended by end.
func (l ScriptLog) Text(end string) string { return strings.Join(l.lines, end) }

// size counts bytes with CRLF line ends.
func (l ScriptLog) size() int {
	size := 2 * (len(l.lines) - 1)
	for _, line := range l.lines {
		size += len(line)
	}
	return size
}

// ScriptLog returns the script log of a task's last execution, if that is the
// one asked for by result or file reference identifier and its log exists already.
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
	execution := w.executionOf(number, r)
	stamp := func(after time.Duration, text string) string {
		return r.start.Add(after).Format(logTime) + " " + text
	}
	lines := []string{
		stamp(0, "     Execution started."),
		stamp(0, "     Product version: "+productVersion),
		stamp(0, "     Executing node: "+execution.Node),
		stamp(0, "     Reload task: "+execution.TaskName),
		stamp(0, "     App: "+execution.AppName+" ("+execution.AppID+")"),
		stamp(0, "     Execution: "+execution.ExecutionID),
		stamp(0, "0002 SET ThousandSep=','"),
		stamp(0, "0003 SET DecimalSep='.'"),
	}
	for i := range r.outcome.ScriptLogLines {
		after := r.outcome.Duration * time.Duration(i) / time.Duration(r.outcome.ScriptLogLines)
		lines = append(lines, stamp(after, fmt.Sprintf("%04d      %d lines fetched", 10+i, 100+17*i)))
	}
	for _, text := range logEnding(r.outcome.Final) {
		lines = append(lines, stamp(r.outcome.Duration, text))
	}
	return ScriptLog{lines: append(lines, "")}
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
