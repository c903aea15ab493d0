// Package appender owns the sending side of task events: the datagrams that the
// log appenders of a Qlik Sense scheduler emit, formatted as log4net does.
//
// It guarantees that a formatted event is byte for byte what an appender with
// the shipped configuration sends, and that a scenario of the same seed sends
// the same datagrams in the same order. Every event carries an execution
// identifier of its own, by which a test identifies it at the receiving end.
// Nothing waits for an answer, since UDP has none.
//
// It must never parse a datagram, which is up to the receiver.
package appender

import (
	"cmp"
	"fmt"
	"net"
	"time"

	"butler/internal/qlik"
	"butler/messages"
)

// MessageType is one of the identifiers that begin a datagram.
type MessageType struct {
	// Identifier is the literal of the appender's pattern.
	Identifier string
	Family     messages.Family
	// Level and Message are what the scheduler logs with it.
	Level   string
	Message string
}

// types lists the identifiers of all versions of the appender files.
var types = [...]MessageType{
	{"/engine-reload-failed/", messages.FamilyEngine, "ERROR", "Reload failed"},
	{"/scheduler-reload-failed/", messages.FamilyFailed, "WARN", "Max retries reached"},
	{"/scheduler-task-failed/", messages.FamilyFailed, "WARN", "Max retries reached"},
	{"/scheduler-reloadtask-failed/", messages.FamilyFailed, "ERROR", "Failed to start session"},
	{"/scheduler-reload-aborted/", messages.FamilyAborted, "INFO", "Execution State Change to Aborting"},
	{"/scheduler-task-aborted/", messages.FamilyAborted, "INFO", "Execution State Change to Aborting"},
	{"/scheduler-reloadtask-success/", messages.FamilySucceeded, "INFO", "Execution State Change to FinishedSuccess"},
	{"/scheduler-task-success/", messages.FamilySucceeded, "INFO", "Execution State Change to FinishedSuccess"},
	{"/scheduler-distribute/", messages.FamilyDistribute, "INFO", "Exiting execute of Distribute task request."},
}

// Types lists the nine identifiers.
func Types() []MessageType { return types[:] }

// TypeOf returns the identifier that current appenders use for a family.
func TypeOf(f messages.Family) MessageType {
	current := map[messages.Family]string{
		messages.FamilyEngine: "/engine-reload-failed/", messages.FamilyFailed: "/scheduler-task-failed/",
		messages.FamilyAborted: "/scheduler-task-aborted/", messages.FamilySucceeded: "/scheduler-task-success/",
		messages.FamilyDistribute: "/scheduler-distribute/",
	}[f]
	for _, t := range types {
		if t.Identifier == current {
			return t
		}
	}
	panic("BUG: no message type for family " + f.String())
}

// Event is the data of a log entry of a scheduler (or the engine). An empty text is
// a property that is not set.
type Event struct {
	Type     MessageType
	HostName string
	TaskName string
	AppName  string
	// User is DIRECTORY\user. Engine events split it at the backslash.
	User   string
	TaskID string
	AppID  string
	// At is the time of the log entry, formatted in its own location.
	At          time.Time
	ExecutionID string
	// SessionID is set in engine events only.
	SessionID string
	// Level and Message replace those of the type when set.
	Level   string
	Message string
}

// Unset says what an appender writes for a property that is not set.
type Unset uint8

// The three ways that occur in the field.
const (
	// UnsetNull is log4net's own text, "(null)".
	UnsetNull Unset = iota
	// UnsetEmpty is nothing between two separators.
	UnsetEmpty
	// UnsetDash is "-".
	UnsetDash
)

var unsetTexts = [...]string{"(null)", "", "-"}

// Format is the flavour of an appender file. The zero value is plain log4net.
type Format struct {
	Unset Unset
	// DoubleSlash repeats the last slash of the success identifier, as the shipped file does.
	DoubleSlash bool
}

// logDate is log4net's %date.
const logDate = "2006-01-02 15:04:05,000"

// Append appends the datagram of an event to b.
func (f Format) Append(b []byte, e Event) []byte {
	b = append(b, e.Type.Identifier...)
	if f.DoubleSlash && e.Type.Identifier == "/scheduler-task-success/" {
		b = append(b, '/')
	}
	if e.Type.Family == messages.FamilyEngine {
		return f.appendEngine(b, e)
	}
	b = f.property(b, e.HostName)
	b = f.property(b, e.TaskName)
	b = f.property(b, e.AppName)
	b = f.property(b, e.User)
	b = f.property(b, e.TaskID)
	b = f.property(b, e.AppID)
	b = f.entry(b, e.At, cmp.Or(e.Level, e.Type.Level))
	b = f.property(b, e.ExecutionID)
	return append(append(b, ';'), cmp.Or(e.Message, e.Type.Message)...)
}

func (f Format) appendEngine(b []byte, e Event) []byte {
	directory, user := splitUser(e.User)
	b = f.property(b, e.HostName)
	b = f.property(b, e.AppID)
	b = f.property(b, e.SessionID)
	b = f.property(b, directory)
	b = f.property(b, user)
	b = f.entry(b, e.At, cmp.Or(e.Level, e.Type.Level))
	return append(append(b, ';'), cmp.Or(e.Message, e.Type.Message)...)
}

func (f Format) property(b []byte, value string) []byte {
	if value == "" {
		value = unsetTexts[min(int(f.Unset), len(unsetTexts)-1)]
	}
	return append(append(b, ';'), value...)
}

func (f Format) entry(b []byte, at time.Time, level string) []byte {
	b = at.AppendFormat(append(b, ';'), logDate)
	return append(append(b, ';'), level...)
}

func splitUser(user string) (directory, id string) {
	for i := range len(user) {
		if user[i] == '\\' {
			return user[:i], user[i+1:]
		}
	}
	return "", user
}

// Appender sends datagrams to one address.
type Appender struct {
	conn   net.Conn
	format Format
}

// Dial returns an appender that sends to a UDP address.
func Dial(address string, format Format) (*Appender, error) {
	conn, err := net.Dial("udp", address) //nolint:noctx // a UDP dial contacts nobody
	if err != nil {
		return nil, fmt.Errorf("dial appender address %s: %w", address, err)
	}
	return &Appender{conn: conn, format: format}, nil
}

// Send sends one event.
func (a *Appender) Send(e Event) error { return a.SendRaw(a.format.Append(nil, e)) }

// SendRaw sends bytes as they are.
func (a *Appender) SendRaw(payload []byte) error {
	if _, err := a.conn.Write(payload); err != nil {
		return fmt.Errorf("send datagram of %d bytes: %w", len(payload), err)
	}
	return nil
}

// Close closes the socket.
func (a *Appender) Close() error { return a.conn.Close() }

// usesApp reports whether the scheduler names an app for a type of task.
func usesApp(t qlik.TaskType) bool { return t == qlik.TaskReload || t == qlik.TaskPreload }
