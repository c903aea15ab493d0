package messages

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"butler/internal/qlik"
)

// AlertKind is the kind of an alert. It is a metric label and part of recorded
// identifiers, so its texts never change.
type AlertKind string

// The alert kinds of the task events.
const (
	ReloadTaskFailed             AlertKind = "reload_task_failed"
	ReloadTaskAborted            AlertKind = "reload_task_aborted"
	ReloadTaskSucceeded          AlertKind = "reload_task_succeeded"
	ExternalProgramTaskFailed    AlertKind = "external_program_task_failed"
	ExternalProgramTaskSucceeded AlertKind = "external_program_task_succeeded"
	UserSyncTaskFailed           AlertKind = "user_sync_task_failed"
	UserSyncTaskSucceeded        AlertKind = "user_sync_task_succeeded"
	DistributeTaskFailed         AlertKind = "distribute_task_failed"
	DistributeTaskSucceeded      AlertKind = "distribute_task_succeeded"
	PreloadTaskFailed            AlertKind = "preload_task_failed"
	PreloadTaskSucceeded         AlertKind = "preload_task_succeeded"
)

// taskKinds maps a family and a task type to the alert kind. It is "" for events that are
// logged but not alerted.
var taskKinds = map[Family][5]AlertKind{
	FamilyFailed: {
		qlik.TaskReload: ReloadTaskFailed, qlik.TaskExternalProgram: ExternalProgramTaskFailed,
		qlik.TaskUserSync: UserSyncTaskFailed, qlik.TaskDistribute: DistributeTaskFailed, qlik.TaskPreload: PreloadTaskFailed,
	},
	FamilyAborted: {qlik.TaskReload: ReloadTaskAborted},
	FamilySucceeded: {
		qlik.TaskReload: ReloadTaskSucceeded, qlik.TaskExternalProgram: ExternalProgramTaskSucceeded,
		qlik.TaskUserSync: UserSyncTaskSucceeded, qlik.TaskDistribute: DistributeTaskSucceeded, qlik.TaskPreload: PreloadTaskSucceeded,
	},
}

// KindOf returns the alert kind of a family and a task type. It is "" for events
// without an alert: aborts of other tasks than reloads, and the families distribute
// and engine, which do not determine the outcome.
func KindOf(f Family, t qlik.TaskType) AlertKind {
	if !t.Valid() {
		return ""
	}
	return taskKinds[f][t]
}

// TaskKinds lists every alert kind of task events, in the order of the documentation.
func TaskKinds() []AlertKind {
	return []AlertKind{
		ReloadTaskFailed, ReloadTaskAborted, ReloadTaskSucceeded,
		ExternalProgramTaskFailed, ExternalProgramTaskSucceeded,
		UserSyncTaskFailed, UserSyncTaskSucceeded,
		DistributeTaskFailed, DistributeTaskSucceeded,
		PreloadTaskFailed, PreloadTaskSucceeded,
	}
}

// AlertID identifies an alert. It is derived from the execution and the kind, so that
// deciding twice gives the same ID.
type AlertID string

// NewAlertID derives the ID: 128 bits of SHA-256 in hexadecimal.
func NewAlertID(key ExecutionKey, kind AlertKind) AlertID {
	return AlertID(digest(string(kind), string(key)))
}

// digest returns 128 bits of the SHA-256 hash of texts, joined with zero bytes, in
// hexadecimal.
func digest(texts ...string) string {
	room := make([]byte, 0, 256)
	for i, text := range texts {
		if i > 0 {
			room = append(room, 0)
		}
		room = append(room, text...)
	}
	sum := sha256.Sum256(room)
	var out [32]byte
	hex.Encode(out[:], sum[:16])
	return string(out[:])
}

// NoticeID identifies a notice: one alert for one recipient through one destination instance.
type NoticeID string

// NewNoticeID derives the ID, so that recording a notice twice is harmless.
func NewNoticeID(alert AlertID, instance, recipient string) NoticeID {
	return NoticeID(digest(string(alert), instance, recipient))
}

// Property is a custom property value of a task or app.
type Property struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Task is the metadata of a task in the QRS. The zero value is an unknown task.
type Task struct {
	// Known reports that the task was looked up; it is false in a degraded alert.
	Known bool          `json:"known"`
	ID    string        `json:"id"`
	Name  string        `json:"name"`
	Type  qlik.TaskType `json:"type"`
	// TypeMissing reports that the QRS did not return the type. Type is then reload, which
	// is right for every event except the completion of a distribute task.
	TypeMissing bool `json:"typeMissing,omitempty"`
	// Tags are tag names. Frozen.
	Tags []string `json:"tags,omitempty"`
	// CustomProperties are in the order of the QRS. Frozen.
	CustomProperties  []Property `json:"customProperties,omitempty"`
	ManuallyTriggered bool       `json:"manuallyTriggered"`
	PartialReload     bool       `json:"partialReload"`
	MaxRetries        int        `json:"maxRetries"`
	// SessionTimeout is in minutes.
	SessionTimeout int    `json:"sessionTimeout"`
	ModifiedBy     string `json:"modifiedBy,omitempty"`
	ModifiedDate   string `json:"modifiedDate,omitempty"`
	// NextExecution is the ISO text of the QRS; qlik.NeverDate means never.
	NextExecution string `json:"nextExecution,omitempty"`
	// AppID and AppName are from the app in the task's metadata; "" if there is none.
	AppID   string `json:"appId,omitempty"`
	AppName string `json:"appName,omitempty"`
	// LastStatus is the status of the last execution result at the time of the
	// look-up; qlik.StatusUnknown if there is none.
	LastStatus qlik.ExecutionStatus `json:"lastStatus"`
	// LastResultID is the ID of that execution result.
	LastResultID string `json:"lastResultId,omitempty"`
	// Metadata is the whole JSON object of the task as the QRS returned it, if a
	// destination needs it; "" otherwise.
	Metadata string `json:"metadata,omitempty"`
}

// HasProperty reports whether the task has a custom property value. name and value are
// case-sensitive.
func (t Task) HasProperty(name, value string) bool {
	for _, p := range t.CustomProperties {
		if p.Name == name && p.Value == value {
			return true
		}
	}
	return false
}

// PropertyValues returns all values of the custom property name, in order.
func (t Task) PropertyValues(name string) []string {
	var out []string
	for _, p := range t.CustomProperties {
		if p.Name == name {
			out = append(out, p.Value)
		}
	}
	return out
}

// App is the metadata of an app in the QRS. The zero value is an unknown app.
type App struct {
	Known       bool   `json:"known"`
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// FileSize is in bytes.
	FileSize       int64  `json:"fileSize"`
	LastReloadTime string `json:"lastReloadTime,omitempty"`
	ModifiedDate   string `json:"modifiedDate,omitempty"`
	ModifiedBy     string `json:"modifiedBy,omitempty"`
	PublishTime    string `json:"publishTime,omitempty"`
	Published      bool   `json:"published"`
	// StreamID and StreamName are "" for an app that is not published.
	StreamID   string `json:"streamId,omitempty"`
	StreamName string `json:"streamName,omitempty"`
	// Tags are tag names. Frozen.
	Tags []string `json:"tags,omitempty"`
	// CustomProperties are in the order of the QRS. Frozen.
	CustomProperties []Property `json:"customProperties,omitempty"`
	// OwnerID is the QRS user ID of the owner.
	OwnerID string `json:"ownerId,omitempty"`
	// Metadata is the whole JSON object of the app as the QRS returned it, if a
	// destination needs it; "" otherwise.
	Metadata string `json:"metadata,omitempty"`
}

// Owner is the user record of an app's owner. The zero value is an unknown owner.
type Owner struct {
	Known     bool   `json:"known"`
	ID        string `json:"id"`
	Directory string `json:"directory"`
	UserID    string `json:"userId"`
	Name      string `json:"name"`
	// Emails are the email attributes of the user, in order. Frozen.
	Emails []string `json:"emails,omitempty"`
}

// Email returns the owner's first address, or "".
func (o Owner) Email() string {
	if len(o.Emails) == 0 {
		return ""
	}
	return o.Emails[0]
}

// ExecutionDetail is one entry of the history of an execution in the QRS.
type ExecutionDetail struct {
	// Created is the ISO text of the QRS.
	Created string `json:"created"`
	Message string `json:"message"`
	// Type is opaque. The QRS sends it as a number or as text.
	Type string `json:"type,omitempty"`
}

// Execution is the last execution result of a task. The zero value is an unknown result.
type Execution struct {
	Known bool `json:"known"`
	// ResultID is the ID of the execution result in the QRS, not the scheduler's execution ID.
	ResultID        string               `json:"resultId,omitempty"`
	FileReferenceID string               `json:"fileReferenceId,omitempty"`
	Node            string               `json:"node,omitempty"`
	Status          qlik.ExecutionStatus `json:"status"`
	// Start and Stop are the ISO texts of the QRS; the year 1753 means never.
	Start    string        `json:"start,omitempty"`
	Stop     string        `json:"stop,omitempty"`
	Duration time.Duration `json:"duration"`
	// ScriptLogSize is in bytes, as the QRS reports it.
	ScriptLogSize      int64 `json:"scriptLogSize"`
	ScriptLogAvailable bool  `json:"scriptLogAvailable"`
	// Details are sorted by Created, oldest first. Frozen.
	Details []ExecutionDetail `json:"details,omitempty"`
}

// stateChange is the prefix of a detail entry about a new state.
const stateChange = "Changing task state from "

// HasEnded reports whether the execution has ended, by its status or its details. If the
// QRS retries a task, the status is that of a running one although the details include
// the end of the first attempt.
func (e Execution) HasEnded() bool {
	return !e.Status.Runs() || slices.ContainsFunc(e.Details, func(d ExecutionDetail) bool {
		change, ok := strings.CutPrefix(d.Message, stateChange)
		_, to, _ := strings.Cut(change, " to ")
		status, known := qlik.StatusNamed(to)
		return ok && known && !status.Runs()
	})
}

// FinalSuccessMessage is the text of the detail entry that ends a successful execution.
const FinalSuccessMessage = stateChange + "Started to FinishedSuccess"

// FinishedSuccessfully reports whether the newest detail is FinalSuccessMessage.
func (e Execution) FinishedSuccessfully() bool {
	return len(e.Details) > 0 && e.Details[len(e.Details)-1].Message == FinalSuccessMessage
}

// ScriptLog is the part of a reload script log that is in an alert. The zero value means
// that there is none. Every destination uses as many lines of it as it needs.
type ScriptLog struct {
	// Available reports that the log was fetched and is not empty.
	Available bool `json:"available"`
	// Rows and Characters count the whole log, not the parts below.
	Rows       int `json:"rows"`
	Characters int `json:"characters"`
	// Head are the first lines, as many as any destination needs. Frozen.
	Head []string `json:"head,omitempty"`
	// Tail are the last lines; they may overlap with Head. Frozen.
	Tail []string `json:"tail,omitempty"`
}

// HeadLines returns the first n lines, or fewer.
func (s ScriptLog) HeadLines(n int) []string { return s.Head[:min(max(n, 0), len(s.Head))] }

// TailLines returns the last n lines, or fewer.
func (s ScriptLog) TailLines(n int) []string {
	return s.Tail[len(s.Tail)-min(max(n, 0), len(s.Tail)):]
}

// MaxScriptLog is the maximum size of the head and of the tail of a script log in an alert,
// in bytes. It is more than any destination shows, and fits into one journal record.
const MaxScriptLog = 128 << 10

// Bounded returns the log with at most the first limit bytes of the head and the last
// limit bytes of the tail, in whole lines.
func (s ScriptLog) Bounded(limit int) ScriptLog {
	left := limit
	for i, line := range s.Head {
		if left -= len(line); left < 0 {
			s.Head = s.Head[:i]
			break
		}
	}
	left = limit
	for i := len(s.Tail) - 1; i >= 0; i-- {
		if left -= len(s.Tail[i]); left < 0 {
			s.Tail = s.Tail[i+1:]
			break
		}
	}
	return s
}

// Alert is an alert with all values that its destinations may need.
type Alert struct {
	ID        AlertID      `json:"id"`
	Kind      AlertKind    `json:"kind"`
	Key       ExecutionKey `json:"key"`
	Event     TaskEvent    `json:"event"`
	Task      Task         `json:"task,omitzero"`
	App       App          `json:"app,omitzero"`
	Owner     Owner        `json:"owner,omitzero"`
	Execution Execution    `json:"execution,omitzero"`
	ScriptLog ScriptLog    `json:"scriptLog,omitzero"`
	// Service, License and Cloud are the subjects of alerts of monitors.
	Service Service     `json:"service,omitzero"`
	License License     `json:"license,omitzero"`
	Cloud   CloudReload `json:"cloud,omitzero"`
	// Usage is the measurement of an alert of kind ProcessUsage.
	Usage Usage `json:"usage,omitzero"`
	// Points are the measurements of an alert of another measured kind. Frozen.
	Points []Point `json:"points,omitempty"`
	// Degraded are texts about values that could not be looked up; empty for a complete
	// alert. Frozen.
	Degraded []string `json:"degraded,omitempty"`
	// DecidedAt is when the decision was made.
	DecidedAt time.Time `json:"decidedAt"`
	// Test marks a test alert.
	Test bool `json:"test,omitempty"`
}

// NoticeHead is a notice without its alert. It is the part that is queued and sent in messages.
type NoticeHead struct {
	ID NoticeID
	// Instance is the name of the destination instance, such as "email/reload_task_failed".
	Instance string
	// Recipient is a mail address or an account, "" for an instance without recipients.
	Recipient string
	// SuppressBy is the suppression key. Notices with the same key share a window.
	SuppressBy string
	// Attached means that the notice includes the full script log.
	Attached bool
	// Exempt marks a notice that an operator requested. It is not suppressed, and does not
	// open a window.
	Exempt   bool
	QueuedAt time.Time
	// Expires is when the notice becomes outdated; zero means never.
	Expires time.Time
}

// Notice is one alert for one recipient through one destination instance.
type Notice struct {
	NoticeHead
	Alert Alert
	// Attachment is the full script log of a notice that is Attached.
	Attachment string
	// SuppressedBefore counts the notices with the same key that were suppressed since the last delivered one.
	SuppressedBefore int
}
