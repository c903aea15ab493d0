package messages

import "time"

// A failed app reload in Qlik Cloud:
//
//	api, mqttlink --AcceptCloudEvent------> cloud --(the event, on disk)--> journal
//	api, mqttlink <-AcceptCloudEventReply-- cloud <-(look-ups)------------> the tenant
//	                                        cloud --NoticesRecorded-------> notify
//
// The reply comes when the event is on disk. Failures: FailureBusy is a service
// that has too much to do or cannot write, and the event has to be sent again.

// CloudEvent is what an event com.qlik.v1.app.reload.finished says of a reload
// that failed: parsed, checked and sanitised.
type CloudEvent struct {
	// Reload is what the event says of it; what the tenant and the configuration know is missing.
	Reload  CloudReload `json:"reload"`
	AppID   string      `json:"appId"`
	AppName string      `json:"appName,omitempty"`
	// OwnerID is the user who owns the app; "" where the event does not say.
	OwnerID string `json:"ownerId,omitempty"`
	// Source is where it came from: an address, or a topic.
	Source string `json:"source,omitempty"`
	// At is when it was received.
	At time.Time `json:"at"`
}

// CloudOutcome says what became of an event from Qlik Cloud, a metric label.
type CloudOutcome string

// The outcomes of an event.
const (
	// CloudAccepted: it is on disk, and somebody is told unless nobody is to be.
	CloudAccepted CloudOutcome = "accepted"
	// CloudDuplicate: the same reload was accepted before.
	CloudDuplicate CloudOutcome = "duplicate"
	// CloudIgnored: an event of another type, of a reload that went well, or of a
	// tenant that is switched off.
	CloudIgnored CloudOutcome = "ignored"
	// CloudRefused: it is not what an event of the tenant looks like.
	CloudRefused CloudOutcome = "refused"
	// CloudBusy: it could not be taken now.
	CloudBusy CloudOutcome = "busy"
)

// CloudOutcomes lists them.
func CloudOutcomes() []CloudOutcome {
	return []CloudOutcome{CloudAccepted, CloudDuplicate, CloudIgnored, CloudRefused, CloudBusy}
}

// AcceptCloudEvent asks to be answered when the event is on disk.
type AcceptCloudEvent struct {
	Event   CloudEvent
	ReplyTo Ref
}

// AcceptCloudEventReply answers AcceptCloudEvent with CloudAccepted, CloudDuplicate or CloudBusy.
type AcceptCloudEventReply struct {
	Outcome CloudOutcome
	Failure Failure
}

// CloudRecord is what the tenant knows of a reload.
type CloudRecord struct {
	// Trigger is hub, chronos, external, automations or data-refresh.
	Trigger      string
	Status       string
	ErrorCode    string
	ErrorMessage string
	Log          string
	// Start and Stop are ISO texts, "" when unknown.
	Start, Stop string
	Duration    time.Duration
}

// CloudApp is what the tenant knows of an app.
type CloudApp struct {
	Description   string
	PublishTime   string
	Thumbnail     string
	Published     bool
	SectionAccess bool
}

// CloudItem is the app as the tenant's catalogue has it.
type CloudItem struct {
	// FileSize is in bytes.
	FileSize int64
	// Tags are tag names. Frozen.
	Tags []string
}

// CloudUser is a user of the tenant.
type CloudUser struct{ ID, Name, Email, Picture string }

// CloudScriptLog is a script log with its whole text.
type CloudScriptLog struct {
	ScriptLog
	Full string
}
