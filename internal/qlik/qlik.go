// Package qlik owns the vocabulary of client-managed Qlik Sense: identifiers,
// task types and execution states.
//
// It guarantees that a value of one of its types is printable in a log line or
// a metric label, known or not. It holds types only: it must never do I/O, and
// it imports nothing of this module.
package qlik

import "strconv"

// TaskType is the QRS code of a task's kind (field taskType of a full task).
type TaskType int

// The task types of the QRS.
const (
	TaskReload          TaskType = 0
	TaskExternalProgram TaskType = 1
	TaskUserSync        TaskType = 2
	TaskDistribute      TaskType = 3
	TaskPreload         TaskType = 4
	// TaskTypeUnknown stands for a type that could not be read.
	TaskTypeUnknown TaskType = -1
)

var taskTypeNames = [...]string{"reload", "external_program", "user_sync", "distribute", "preload"}

// String returns the label form of t, "unknown" for a code outside the table.
func (t TaskType) String() string {
	if t.Valid() {
		return taskTypeNames[t]
	}
	return "unknown"
}

// Valid reports whether t is one of the five types of the QRS.
func (t TaskType) Valid() bool { return t >= 0 && int(t) < len(taskTypeNames) }

// TaskTypes lists every valid type, in code order.
func TaskTypes() []TaskType {
	return []TaskType{TaskReload, TaskExternalProgram, TaskUserSync, TaskDistribute, TaskPreload}
}

// ExecutionStatus is the QRS code of an execution's state
// (operational.lastExecutionResult.status).
type ExecutionStatus int

// StatusUnknown stands for a status that could not be read.
const StatusUnknown ExecutionStatus = -1

// The fifteen execution states of the QRS.
const (
	StatusNeverStarted ExecutionStatus = iota
	StatusTriggered
	StatusStarted
	StatusQueued
	StatusAbortInitiated
	StatusAborting
	StatusAborted
	StatusFinishedSuccess
	StatusFinishedFail
	StatusSkipped
	StatusRetry
	StatusError
	StatusReset
	StatusDistributionQueue
	StatusDistributionRunning
)

// Phase says what a status means to somebody who follows a distribute task.
type Phase uint8

const (
	// PhaseIgnored ends the following without an alert: nothing ran, or the code is unknown.
	PhaseIgnored Phase = iota
	// PhaseRunning is followed until it changes.
	PhaseRunning
	// PhaseSucceeded is terminal and good.
	PhaseSucceeded
	// PhaseFailed is terminal and bad.
	PhaseFailed
)

// statuses is the one table of execution states: name and meaning by code.
var statuses = [...]struct {
	name  string
	phase Phase
	words string
}{
	{"NeverStarted", PhaseIgnored, "Never started"},
	{"Triggered", PhaseRunning, "Triggered"},
	{"Started", PhaseRunning, "Running"},
	{"Queued", PhaseRunning, "Queued"},
	{"AbortInitiated", PhaseRunning, "Being aborted"},
	{"Aborting", PhaseRunning, "Being aborted"},
	{"Aborted", PhaseFailed, "Aborted"},
	{"FinishedSuccess", PhaseSucceeded, "Succeeded"},
	{"FinishedFail", PhaseFailed, "Failed"},
	{"Skipped", PhaseIgnored, "Skipped"},
	{"Retry", PhaseRunning, "Waiting for a retry"},
	{"Error", PhaseFailed, "Failed"},
	{"Reset", PhaseIgnored, "Reset"},
	{"DistributionQueue", PhaseRunning, "Waiting to be distributed"},
	{"DistributionRunning", PhaseRunning, "Being distributed"},
}

// Valid reports whether s is one of the fifteen states.
func (s ExecutionStatus) Valid() bool { return s >= 0 && int(s) < len(statuses) }

// String returns Qlik's name of the state, or "Unknown(n)".
func (s ExecutionStatus) String() string {
	if s.Valid() {
		return statuses[s].name
	}
	return "Unknown(" + strconv.Itoa(int(s)) + ")"
}

// Words returns the state as people say it, "Unknown" if it is not one of the states.
func (s ExecutionStatus) Words() string {
	if s.Valid() {
		return statuses[s].words
	}
	return "Unknown"
}

// Phase returns what the state means to a follower; PhaseIgnored when unknown.
func (s ExecutionStatus) Phase() Phase {
	if s.Valid() {
		return statuses[s].phase
	}
	return PhaseIgnored
}

// Runs reports whether an execution in this state is still running. One that waits for
// a retry is not: its attempt has failed.
func (s ExecutionStatus) Runs() bool { return s != StatusRetry && s.Phase() == PhaseRunning }

// StatusNamed returns the state with that name of Qlik's.
func StatusNamed(name string) (ExecutionStatus, bool) {
	for s := range statuses {
		if statuses[s].name == name {
			return ExecutionStatus(s), true
		}
	}
	return StatusUnknown, false
}

// ZeroGUID is what the QRS writes where no file or object is referenced.
const ZeroGUID = "00000000-0000-0000-0000-000000000000"

// NeverDate is the database null of the QRS: a date in the year 1753 means "never".
const NeverDate = "1753-01-01T00:00:00.000Z"

// IsGUID reports whether s has the form 8-4-4-4-12 of hexadecimal digits in any
// case. Version and variant are not looked at: the all-zero GUID passes.
func IsGUID[S ~string | ~[]byte](s S) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if !isHex(c) {
				return false
			}
		}
	}
	return true
}

func isHex(c byte) bool {
	return c-'0' <= 9 || c|0x20 >= 'a' && c|0x20 <= 'f'
}
