package messages

import "time"

// The handling of a failed app reload in Qlik Cloud:
//
//	api, mqttlink --AcceptCloudEvent------> cloud --(the event, on disk)--> journal
//	api, mqttlink <-AcceptCloudEventReply-- cloud <-(look-ups)------------> the tenant
//	                                        cloud --NoticesRecorded-------> notify
//
// The reply comes when the event is on disk. FailureBusy means that the service is
// overloaded or cannot write: the event has to be sent again.

// CloudEvent is an event com.qlik.v1.app.reload.finished of a failed reload: parsed,
// checked and sanitised.
type CloudEvent struct {
	// Reload has the values of the event, without those of the tenant and the configuration.
	Reload  CloudReload `json:"reload"`
	AppID   string      `json:"appId"`
	AppName string      `json:"appName,omitempty"`
	// OwnerID is the user who owns the app; "" if the event does not contain it.
	OwnerID string `json:"ownerId,omitempty"`
	// Source is the origin: the address of the sender, or an MQTT topic.
	Source string `json:"source,omitempty"`
	// At is when it was received.
	At time.Time `json:"at"`
}

// CloudOutcome is the result of receiving an event from Qlik Cloud. It is a metric label.
type CloudOutcome string

// The outcomes of an event.
const (
	// CloudAccepted: it is on disk and will be alerted, if a destination is configured for it.
	CloudAccepted CloudOutcome = "accepted"
	// CloudDuplicate: the same reload was accepted before.
	CloudDuplicate CloudOutcome = "duplicate"
	// CloudIgnored: it is of another type, of a successful reload, or of a tenant that is
	// not enabled.
	CloudIgnored CloudOutcome = "ignored"
	// CloudRefused: it is not a valid event of the tenant.
	CloudRefused CloudOutcome = "refused"
	// CloudBusy: it cannot be accepted at present.
	CloudBusy CloudOutcome = "busy"
)

// CloudOutcomes lists every outcome.
func CloudOutcomes() []CloudOutcome {
	return []CloudOutcome{CloudAccepted, CloudDuplicate, CloudIgnored, CloudRefused, CloudBusy}
}

// AcceptCloudEvent asks to store the event and to reply when it is on disk.
type AcceptCloudEvent struct {
	Event   CloudEvent
	ReplyTo Ref
}

// AcceptCloudEventReply answers AcceptCloudEvent with CloudAccepted, CloudDuplicate or CloudBusy.
type AcceptCloudEventReply struct {
	Outcome CloudOutcome
	Failure Failure
}

// CloudRecord is the tenant's record of a reload.
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

// CloudApp is the tenant's metadata of an app.
type CloudApp struct {
	Description   string
	PublishTime   string
	Thumbnail     string
	Published     bool
	SectionAccess bool
}

// CloudItem is the entry of an app in the tenant's catalogue.
type CloudItem struct {
	// FileSize is in bytes.
	FileSize int64
	// Tags are tag names. Frozen.
	Tags []string
}

// CloudUser is a user of the tenant.
type CloudUser struct{ ID, Name, Email, Picture string }

// CloudScriptLog is a script log with Full, its whole text.
type CloudScriptLog struct {
	ScriptLog
	Full string
}
