package messages

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Family is the kind of a datagram: the occurrence that its message type identifies. It
// does not include the type of the task, which always comes from the QRS.
type Family uint8

// The five families of message types.
const (
	FamilyUnknown Family = iota
	FamilyFailed
	FamilyAborted
	FamilySucceeded
	// FamilyDistribute is the completion message of a distribute task, which does not say how it ended.
	FamilyDistribute
	// FamilyEngine is a reload failure that the engine reports. It is only logged.
	FamilyEngine
)

var familyNames = [...]string{"unknown", "failed", "aborted", "succeeded", "distribute", "engine_reload_failed"}

// String returns the label form of f.
func (f Family) String() string {
	if int(f) < len(familyNames) {
		return familyNames[f]
	}
	return familyNames[0]
}

// Families lists every known family.
func Families() []Family {
	return []Family{FamilyFailed, FamilyAborted, FamilySucceeded, FamilyDistribute, FamilyEngine}
}

// ExecutionKey identifies one execution of one task: the execution ID of the
// scheduler, or a name derived from the event's place in the journal where the
// scheduler gave none.
type ExecutionKey string

// EventPosition is the place of an event in the EVENTS log: the record and the
// index within it. It never changes, so it names an event across restarts.
type EventPosition struct {
	Seq   uint64
	Index uint32
}

// TaskEvent is one accepted datagram: parsed, checked and sanitised.
type TaskEvent struct {
	Family Family `json:"family"`
	// MessageType is the identifier as normalised: lower case, one trailing slash.
	MessageType string `json:"messageType"`
	HostName    string `json:"hostName"`
	TaskName    string `json:"taskName"`
	AppName     string `json:"appName"`
	// User is as sent, DIRECTORY\user. Destinations choose their own form.
	User   string `json:"user"`
	TaskID string `json:"taskId"`
	// AppID is "" where the event has none ("-" and "(null)" included).
	AppID string `json:"appId"`
	// LogTimestamp is the scheduler's local time as text. It comes from the network: never trust its form.
	LogTimestamp string `json:"logTimestamp"`
	LogLevel     string `json:"logLevel"`
	ExecutionID  string `json:"executionId"`
	LogMessage   string `json:"logMessage"`
	// SessionID is set for engine events only.
	SessionID string `json:"sessionId,omitempty"`
	// Source is the sender's IP address.
	Source string `json:"source"`
	// At is when the datagram was received.
	At time.Time `json:"at"`
	// Sanitised reports that characters were removed or a field was cut.
	Sanitised bool `json:"sanitised,omitempty"`
}

// UserWithSlash returns the user with every backslash replaced by a slash, the
// form of Slack, Teams, Signl4, New Relic, InfluxDB and preload mails.
func (e TaskEvent) UserWithSlash() string { return strings.ReplaceAll(e.User, `\`, "/") }

// UserSingleBackslash returns the user with doubled backslashes made single, the
// form of reload mails, webhooks and full MQTT messages.
func (e TaskEvent) UserSingleBackslash() string { return strings.ReplaceAll(e.User, `\\`, `\`) }

// logForms are the layouts of LogTimestamp. time.Parse also accepts a fraction after the
// seconds, with a comma or a point.
var logForms = [...]string{time.DateTime, time.DateTime + "Z07:00", "2006-01-02T15:04:05", time.RFC3339}

// LoggedAt parses LogTimestamp, as a local time of zone if it does not name a zone. It
// returns false if the text is not a valid time.
func (e TaskEvent) LoggedAt(zone *time.Location) (time.Time, bool) {
	for _, form := range logForms {
		if at, err := time.ParseInLocation(form, e.LogTimestamp, zone); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// Datagram is one UDP payload as it arrived.
type Datagram struct {
	// Payload is what was sent, cut at the largest size that is accepted. Frozen.
	Payload []byte
	// Size is how many bytes were sent.
	Size int
	// Source is the sender. An IPv4 sender has an IPv4 address, even on an IPv6 socket.
	Source netip.AddrPort
	// At is when it was read from the socket, in microseconds. It is unique per socket.
	At time.Time
	// Entry is the encoded journal entry, if it was made already; nil otherwise. Frozen.
	Entry []byte
}

// Truncated reports that Payload is not all that was sent.
func (d Datagram) Truncated() bool { return d.Size > len(d.Payload) }

// QuarantinedDatagram is a refused datagram, or an event that ended without a
// decision, kept for an operator to look at.
type QuarantinedDatagram struct {
	// ID orders the entries: a larger one is newer.
	ID uint64 `json:"id"`
	// Reason is the label of the check that refused it, ReasonCrashed for an event or
	// a recorded state that was given up, "unreadable" for one of the journal that
	// cannot be read back.
	Reason string `json:"reason"`
	// GivenUp is set for what was accepted before, unlike what was refused.
	GivenUp bool `json:"givenUp,omitempty"`
	// Detail says in words what was wrong.
	Detail string `json:"detail"`
	// Source is the sender's address and port, as far as they are known.
	Source string    `json:"source"`
	At     time.Time `json:"at"`
	// Size is how many bytes were sent.
	Size int `json:"size"`
	// Payload is the beginning of what was sent, with everything that is not
	// printable written as a Go escape, such as \t or \xff.
	Payload string `json:"payload"`
	// Cut reports that Payload is not all of it.
	Cut bool `json:"cut,omitempty"`
}

// ReasonCrashed is the reason of what was accepted and given up, because handling it
// crashed too often.
const ReasonCrashed = "crashed"

// SetPayload sets Payload, Size and Cut from raw, of which at most limit bytes are
// kept. They are escaped: the text can be shown anywhere and loses no byte.
func (q *QuarantinedDatagram) SetPayload(raw []byte, limit int) {
	kept := raw[:min(len(raw), limit)]
	escaped := strconv.Quote(string(kept))
	q.Size, q.Payload, q.Cut = len(raw), escaped[1:len(escaped)-1], len(kept) < len(raw)
}
