package logx

import (
	"time"

	"go.uber.org/zap"

	"butler/messages"
)

// The field constructors, so that a field has the same name in every log line.

// ExecutionID is the scheduler's ID of an execution.
func ExecutionID(id string) zap.Field { return zap.String("execution_id", id) }

// TaskID is the QRS ID of a task.
func TaskID(id string) zap.Field { return zap.String("task_id", id) }

// TaskName is the name of a task as the node sent it.
func TaskName(name string) zap.Field { return zap.String("task_name", name) }

// TaskType is the label form of a task type.
func TaskType(t interface{ String() string }) zap.Field { return zap.String("task_type", t.String()) }

// AppID is the QRS ID of an app.
func AppID(id string) zap.Field { return zap.String("app_id", id) }

// Node is the Qlik Sense host that sent an event.
func Node(host string) zap.Field { return zap.String("node", host) }

// Source is the network address of a sender.
func Source(address string) zap.Field { return zap.String("source", address) }

// EventType is the family of an event.
func EventType(f messages.Family) zap.Field { return zap.String("event_type", f.String()) }

// Alert is the kind of an alert.
func Alert(kind messages.AlertKind) zap.Field { return zap.String("alert", string(kind)) }

// NoticeID is the ID of a notice.
func NoticeID(id messages.NoticeID) zap.Field { return zap.String("notice_id", string(id)) }

// Destination is the name of a destination instance.
func Destination(name string) zap.Field { return zap.String("destination", name) }

// Actor is the path of an actor.
func Actor(path string) zap.Field { return zap.String("actor", path) }

// Attempt is the number of an attempt, from 1.
func Attempt(n int) zap.Field { return zap.Int("attempt", n) }

// Delay is the time until something is done.
func Delay(d time.Duration) zap.Field { return zap.Duration("delay", d) }

// Count is a number of things that the message names.
func Count(n int) zap.Field { return zap.Int("count", n) }

// Reason is a reason: a word from a closed set if lines are counted by it, otherwise a
// sentence.
func Reason(r string) zap.Field { return zap.String("reason", r) }

// Path is a file or directory.
func Path(p string) zap.Field { return zap.String("path", p) }

// Err is the error that a line reports.
func Err(err error) zap.Field { return zap.NamedError("err", err) }
