package messages

import (
	"time"

	"butler/internal/qlik"
)

// Look-ups in the Qlik Repository Service:
//
//	execution --LookupTask, LookupApp, LookupOwner, LookupExecution, FetchScriptLog--> qrsgate
//	execution <--...Reply--------------------------------------------------------- qrsgate
//	shard     --Lookups--> qrsgate
//	shard     <--Answers-- qrsgate
//
// qrsgate answers every command exactly once: with the value, or with a Failure if the
// QRS refused it, could not be reached, or did not answer by Deadline.

// Lookups are commands of one asker, which wants the replies in as few messages as
// possible, as Answers.
type Lookups struct {
	// Commands are frozen.
	Commands []any
}

// Answers are the replies to commands that came as Lookups.
type Answers struct {
	// Replies are frozen.
	Replies []any
}

// LookupTask asks for the metadata of a task (task/full).
type LookupTask struct {
	TaskID string
	// MaxAge is how old a cached answer may be; 0 forces a fresh one.
	MaxAge time.Duration
	// Deadline is when the asker stops waiting; the zero time means the gate's own limit.
	Deadline time.Time
	Attempt  int
	ReplyTo  Ref
}

// LookupTaskReply answers LookupTask. A task that the QRS does not know is FailureNotFound.
type LookupTaskReply struct {
	TaskID  string
	Attempt int
	Task    Task
	// App and Owner are those of the task, if they are cached and no older than MaxAge,
	// so that they need not be looked up; zero otherwise.
	App   App
	Owner Owner
	// Stale reports that the QRS was out of reach and Task is an older copy.
	Stale   bool
	Failure Failure
	At      time.Time
	// AsOf is when the QRS gave the answer; zero for a failure.
	AsOf time.Time
}

// LookupApp asks for the metadata of an app (app/full).
type LookupApp struct {
	AppID    string
	MaxAge   time.Duration
	Deadline time.Time
	Attempt  int
	ReplyTo  Ref
}

// LookupAppReply answers LookupApp.
type LookupAppReply struct {
	AppID   string
	Attempt int
	App     App
	Stale   bool
	Failure Failure
	At      time.Time
	// AsOf is that of LookupTaskReply.
	AsOf time.Time
}

// LookupOwner asks for the user record of an app's owner (user/{id}).
type LookupOwner struct {
	UserID   string
	MaxAge   time.Duration
	Deadline time.Time
	Attempt  int
	ReplyTo  Ref
}

// LookupOwnerReply answers LookupOwner.
type LookupOwnerReply struct {
	UserID  string
	Attempt int
	Owner   Owner
	Stale   bool
	Failure Failure
	At      time.Time
	// AsOf is that of LookupTaskReply.
	AsOf time.Time
}

// LookupExecution asks for the last execution result of a task, always fresh
// (reloadtask, externalprogramtask or usersynctask/{id}, by task type).
type LookupExecution struct {
	TaskID   string
	TaskType qlik.TaskType
	Deadline time.Time
	Attempt  int
	ReplyTo  Ref
}

// LookupExecutionReply answers LookupExecution. A task without any execution result is FailureNotFound.
type LookupExecutionReply struct {
	TaskID    string
	Attempt   int
	Execution Execution
	Failure   Failure
	At        time.Time
}

// FetchScriptLog asks for the script log of a reload task's last execution, and
// brings the execution result along.
type FetchScriptLog struct {
	TaskID string
	// HeadLines and TailLines say how much of the log the reply carries.
	HeadLines int
	TailLines int
	// Full asks for the whole text in addition.
	Full bool
	// Result is the execution result if it is known already and final. Then it is not
	// read again.
	Result   Execution
	Deadline time.Time
	Attempt  int
	ReplyTo  Ref
}

// FetchScriptLogReply answers FetchScriptLog. A log that is not there is no
// failure: ScriptLog.Available is false and Execution is known.
type FetchScriptLogReply struct {
	TaskID    string
	Attempt   int
	Execution Execution
	ScriptLog ScriptLog
	// Full is the whole text when it was asked for, lines joined by LF.
	Full    string
	Failure Failure
	// Exhausted means that the QRS could be reached and all attempts have failed. Without
	// it, the same command may succeed later.
	Exhausted bool
	At        time.Time
}

// AttemptOf returns the Attempt of the command that a reply answers, 0 for what is no reply.
func AttemptOf(reply any) int {
	switch r := reply.(type) {
	case LookupTaskReply:
		return r.Attempt
	case LookupAppReply:
		return r.Attempt
	case LookupOwnerReply:
		return r.Attempt
	case LookupExecutionReply:
		return r.Attempt
	case FetchScriptLogReply:
		return r.Attempt
	}
	return 0
}
