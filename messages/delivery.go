package messages

import "time"

// The delivery of notices, and commands of an operator about parked ones:
//
//	execution --NoticesRecorded--> notify --NoticesQueued----> delivery
//	app -------DrainDelivery-----> notify --DrainDelivery----> delivery
//	app <------DrainDeliveryReply- notify <-DrainDeliveryReply delivery
//	api -------DescribeDelivery--> notify --DescribeDelivery-> delivery
//	                               notify <-DeliveryChanged--- delivery
//	api -------ReplayParked------> notify --NoticesQueued----> delivery
//	api -------DropParked--------> notify
//
// All notices in these messages are durable already: a lost message delays a notice and
// does not lose it. notify answers every command once.

// NoticesRecorded tells the owner of the outbox that notices are durable.
type NoticesRecorded struct {
	// Notices are of alerts that were recorded together. Frozen.
	Notices []NoticeHead
}

// NoticesQueued hands durable notices to the delivery of their instance.
type NoticesQueued struct {
	// Notices are all of one instance. Frozen.
	Notices []NoticeHead
}

// NoticeOutcome is how a notice ended.
type NoticeOutcome uint8

// The three ends of a notice.
const (
	NoticeDelivered NoticeOutcome = iota + 1
	NoticeSuppressed
	NoticeParked
)

var outcomeNames = [...]string{"unknown", "delivered", "suppressed", "parked"}

// String returns the label form of o.
func (o NoticeOutcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return outcomeNames[0]
}

// NoticeSettled says that the end of a notice is durable. It is for observers; nothing
// depends on it.
type NoticeSettled struct {
	ID          NoticeID
	Alert       AlertID
	Kind        AlertKind
	Key         ExecutionKey
	TaskName    string
	Instance    string
	Integration string
	Recipient   string
	Outcome     NoticeOutcome
	// Reason says in words why the notice was suppressed or parked.
	Reason string
	// Attempts counts the attempts.
	Attempts int
	At       time.Time
}

// DrainDelivery asks to start no new attempt and to answer when the running
// ones have ended and are recorded. It cannot be taken back.
type DrainDelivery struct{ ReplyTo Ref }

// DrainDeliveryReply answers DrainDelivery.
type DrainDeliveryReply struct {
	// Instance is "" in the answer of notify, which is for all instances.
	Instance string
	// Left counts the notices that wait on disk for the next start. Only notify sets it.
	Left int
}

// DescribeDelivery asks how delivery is doing.
type DescribeDelivery struct{ ReplyTo Ref }

// DescribeDeliveryReply answers DescribeDelivery: one state from a delivery
// actor, one per instance from notify. An instance that did not answer in time
// is described as not responding.
type DescribeDeliveryReply struct {
	// States are sorted by instance. Frozen.
	States []DeliveryState
	At     time.Time
}

// DeliveryCondition is the condition of the delivery through one instance.
type DeliveryCondition string

// The conditions of a delivery.
const (
	// Delivering: nothing is in the way.
	Delivering DeliveryCondition = "ok"
	// DeliveryLoading: it reads what waits on disk.
	DeliveryLoading DeliveryCondition = "loading"
	// DeliveryPaused: the destination asked for a pause.
	DeliveryPaused DeliveryCondition = "paused"
	// DeliveryThrottled: the destination has asked for a pause again and again, and
	// has accepted nothing in between.
	DeliveryThrottled DeliveryCondition = "throttled"
	// DeliveryBreakerOpen: the destination keeps failing, and its circuit breaker is open.
	DeliveryBreakerOpen DeliveryCondition = "breaker_open"
	// DeliveryMisconfigured is an open breaker, too: the destination refuses
	// everything until somebody mends the configuration.
	DeliveryMisconfigured DeliveryCondition = "misconfigured"
	// DeliveryDraining: the service is stopping.
	DeliveryDraining DeliveryCondition = "draining"
	// DeliveryNotResponding: its actor did not answer in time.
	DeliveryNotResponding DeliveryCondition = "not_responding"
)

// DeliveryChanged tells notify that the condition of a delivery has changed, or that
// notices were parked.
type DeliveryChanged struct {
	Instance string
	// Condition is Delivering, DeliveryBreakerOpen or DeliveryMisconfigured.
	Condition DeliveryCondition
	// LastError is why it does not deliver, "" when it does.
	LastError string
}

// DeliveryState describes the delivery through one instance at one moment.
type DeliveryState struct {
	Instance    string
	Integration string
	// Condition is how it is, such as Delivering.
	Condition DeliveryCondition
	// Until is when a pause or an open breaker is tried again; zero otherwise.
	Until time.Time
	// Queued counts every notice that is not settled, Retrying those among them
	// that failed and wait, Attempts the running attempts, Parked the parked notices.
	Queued, Retrying, Attempts, Parked int
	// Oldest is when the oldest of Queued was queued; zero when there is none.
	Oldest      time.Time
	LastSuccess time.Time
	// LastError is the newest failure since the last success, "" without one.
	LastError string
}

// ReplayParked puts parked notices back into delivery with fresh attempts.
type ReplayParked struct {
	// IDs name the notices. Frozen.
	IDs     []NoticeID
	ReplyTo Ref
}

// ReplayParkedReply answers ReplayParked.
type ReplayParkedReply struct {
	// Results are one per ID, in order. Frozen.
	Results []ParkedResult
	At      time.Time
}

// DropParked removes parked notices for good.
type DropParked struct {
	// IDs name the notices. Frozen.
	IDs     []NoticeID
	ReplyTo Ref
}

// DropParkedReply answers DropParked.
type DropParkedReply struct {
	// Results are one per ID, in order. Frozen.
	Results []ParkedResult
	At      time.Time
}

// ParkedResult is the result of a command for one parked notice. It is FailureNotFound
// for a notice that is not parked, and FailureRejected for the replay of one whose
// instance is not configured any more.
type ParkedResult struct {
	ID      NoticeID
	Failure Failure
}
