package logx

import (
	"time"

	"go.uber.org/zap"

	"butler/messages"
)

// The field constructors: one name for one thing in every log line.

// ExecutionID names the execution a line is about.
func ExecutionID(id string) zap.Field { return zap.String("execution_id", id) }

// TaskID names the task by its QRS ID.
func TaskID(id string) zap.Field { return zap.String("task_id", id) }

// TaskName is the task's name as its node sent it.
func TaskName(name string) zap.Field { return zap.String("task_name", name) }

// TaskType is the label form of a task type.
func TaskType(t interface{ String() string }) zap.Field { return zap.String("task_type", t.String()) }

// AppID names the app by its QRS ID.
func AppID(id string) zap.Field { return zap.String("app_id", id) }

// Node is the Qlik Sense host an event came from.
func Node(host string) zap.Field { return zap.String("node", host) }

// Source is the network address of a sender.
func Source(address string) zap.Field { return zap.String("source", address) }

// EventType is the family of an event.
func EventType(f messages.Family) zap.Field { return zap.String("event_type", f.String()) }

// Alert names the alert kind.
func Alert(kind messages.AlertKind) zap.Field { return zap.String("alert", string(kind)) }

// NoticeID names a notice.
func NoticeID(id messages.NoticeID) zap.Field { return zap.String("notice_id", string(id)) }

// Destination names a destination instance.
func Destination(name string) zap.Field { return zap.String("destination", name) }

// Actor names an actor by its path.
func Actor(path string) zap.Field { return zap.String("actor", path) }

// Attempt counts tries, from 1.
func Attempt(n int) zap.Field { return zap.Int("attempt", n) }

// Delay is how long something waits.
func Delay(d time.Duration) zap.Field { return zap.Duration("delay", d) }

// Count is a number of things, named by the message.
func Count(n int) zap.Field { return zap.Int("count", n) }

// Reason says why, as a word from a closed set where lines are counted by it, and
// else in a sentence.
func Reason(r string) zap.Field { return zap.String("reason", r) }

// Path is a file or directory.
func Path(p string) zap.Field { return zap.String("path", p) }

// Err is the error a line reports.
func Err(err error) zap.Field { return zap.NamedError("err", err) }
