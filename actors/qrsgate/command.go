package qrsgate

import (
	"strings"
	"time"

	"butler/internal/qlik"
	"butler/messages"
)

// operation is a kind of call to the QRS.
type operation uint8

const (
	opTask operation = iota
	opApp
	opOwner
	opExecution
	opScriptLog
	opPing
)

const operationCount = int(opPing) + 1

// operations is the one table of what differs between the kinds of calls.
var operations = [operationCount]struct {
	name string
	// noun is what an operator calls it.
	noun string
	// batch is how many questions one call may carry.
	batch int
	// lanes is how many such calls may run at once; 0 means as many as there are
	// slots. With few lanes batches are full. halfLanes means half of the slots, so
	// that slow calls leave some for quick ones.
	lanes int
	// cached says that answers are cached.
	cached bool
}{
	opTask:      {name: "task", noun: "task", batch: 50, lanes: 2, cached: true},
	opApp:       {name: "app", noun: "app", batch: 50, lanes: 2, cached: true},
	opOwner:     {name: "owner", noun: "app owner", batch: 1, cached: true},
	opExecution: {name: "execution", noun: "execution result", batch: 50, lanes: 2},
	opScriptLog: {name: "script_log", noun: "script log", batch: 1, lanes: halfLanes},
	opPing:      {name: "ping", noun: "ping", batch: 1, lanes: 1},
}

const halfLanes = -1

func (o operation) String() string { return operations[o].name }

// laneLimit returns how many calls of the kind may run at once, given the number of slots.
func (o operation) laneLimit(slots int) int {
	switch lanes := operations[o].lanes; lanes {
	case 0:
		return slots
	case halfLanes:
		return max(slots/2, 1)
	default:
		return min(lanes, slots)
	}
}

// key identifies what is looked up. Questions with the same key have the same answer.
type key struct {
	op       operation
	id       string // lower case
	taskType qlik.TaskType
}

// question is a command in the form that the machine uses.
type question struct {
	command  any
	key      key
	replyTo  messages.Ref
	maxAge   time.Duration
	deadline time.Time
	// full says that the whole script log is wanted.
	full bool
	// number identifies the question for the gate.
	number uint64
	// together says that the asker wants the replies of one step in one message.
	together bool
}

// result is the execution result that the asker of a script log knows already.
func (q question) result() messages.Execution {
	fetch, _ := q.command.(messages.FetchScriptLog)
	return fetch.Result
}

// fresh reports that the answer must be younger than the question.
func (q question) fresh() bool { return q.maxAge <= 0 }

// questionOf returns the question of a command; false for another message.
func questionOf(command any) (question, bool) {
	switch c := command.(type) {
	case messages.LookupTask:
		return question{command: command, key: keyOf(opTask, c.TaskID), replyTo: c.ReplyTo, maxAge: c.MaxAge, deadline: c.Deadline}, true
	case messages.LookupApp:
		return question{command: command, key: keyOf(opApp, c.AppID), replyTo: c.ReplyTo, maxAge: c.MaxAge, deadline: c.Deadline}, true
	case messages.LookupOwner:
		return question{command: command, key: keyOf(opOwner, c.UserID), replyTo: c.ReplyTo, maxAge: c.MaxAge, deadline: c.Deadline}, true
	case messages.LookupExecution:
		k := keyOf(opExecution, c.TaskID)
		k.taskType = c.TaskType
		return question{command: command, key: k, replyTo: c.ReplyTo, deadline: c.Deadline}, true
	case messages.FetchScriptLog:
		return question{command: command, key: keyOf(opScriptLog, c.TaskID), replyTo: c.ReplyTo, deadline: c.Deadline, full: c.Full}, true
	}
	return question{}, false
}

// questionsOf returns the questions of commands that want their replies in one message.
func questionsOf(in messages.Lookups) []question {
	out := make([]question, 0, len(in.Commands))
	for _, command := range in.Commands {
		if q, ok := questionOf(command); ok {
			q.together = true
			out = append(out, q)
		}
	}
	return out
}

func keyOf(op operation, id string) key { return key{op: op, id: strings.ToLower(id)} }

// scriptLog is the value of a script log fetch.
type scriptLog struct {
	Execution messages.Execution
	// Log has all lines as Head and as Tail.
	Log messages.ScriptLog
	// Full is the whole text, if anybody wanted it.
	Full string
}

// answer is the answer to a question. The value has the type of the operation, or is nil.
type answer struct {
	value   any
	app     messages.App // of a task, if cached
	owner   messages.Owner
	stale   bool
	failure messages.Failure
	// exhausted says that the QRS was reachable and has failed to return the script log for good.
	exhausted bool
	at        time.Time
	asOf      time.Time // when the QRS gave it
}

// reply builds the message that answers the question.
func (q question) reply(a answer) any {
	switch c := q.command.(type) {
	case messages.LookupTask:
		task, _ := a.value.(messages.Task)
		return messages.LookupTaskReply{TaskID: c.TaskID, Attempt: c.Attempt, Task: task, App: a.app, Owner: a.owner, Stale: a.stale, Failure: a.failure, At: a.at, AsOf: a.asOf}
	case messages.LookupApp:
		app, _ := a.value.(messages.App)
		return messages.LookupAppReply{AppID: c.AppID, Attempt: c.Attempt, App: app, Stale: a.stale, Failure: a.failure, At: a.at, AsOf: a.asOf}
	case messages.LookupOwner:
		owner, _ := a.value.(messages.Owner)
		return messages.LookupOwnerReply{UserID: c.UserID, Attempt: c.Attempt, Owner: owner, Stale: a.stale, Failure: a.failure, At: a.at, AsOf: a.asOf}
	case messages.LookupExecution:
		execution, _ := a.value.(messages.Execution)
		return messages.LookupExecutionReply{TaskID: c.TaskID, Attempt: c.Attempt, Execution: execution, Failure: a.failure, At: a.at}
	case messages.FetchScriptLog:
		fetched, _ := a.value.(scriptLog)
		reply := messages.FetchScriptLogReply{
			TaskID: c.TaskID, Attempt: c.Attempt, Execution: fetched.Execution,
			ScriptLog: cut(fetched.Log, c.HeadLines, c.TailLines), Failure: a.failure, Exhausted: a.exhausted, At: a.at,
		}
		if c.Full {
			reply.Full = fetched.Full
		}
		return reply
	}
	panic("BUG: a question without a reply")
}

// Bounds of the part of a script log that a reply carries.
const (
	maxCutLines      = 1000
	maxCutLineLength = 2000 // characters
)

// cut returns the log with its first head and last tail lines only. They are
// copies: a reply must not keep the whole log in memory.
func cut(log messages.ScriptLog, head, tail int) messages.ScriptLog {
	log.Head = copied(log.HeadLines(min(head, maxCutLines)))
	log.Tail = copied(log.TailLines(min(tail, maxCutLines)))
	return log
}

func copied(lines []string) []string {
	if len(lines) == 0 {
		return nil
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = strings.Clone(firstCharacters(l, maxCutLineLength))
	}
	return out
}

// firstCharacters returns at most limit characters of s, the last one an ellipsis when something is missing.
func firstCharacters(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	count, last := 0, 0
	for i := range s {
		switch count {
		case limit - 1:
			last = i
		case limit:
			return s[:last] + "…"
		}
		count++
	}
	return s
}
