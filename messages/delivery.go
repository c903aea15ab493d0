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
// All notices in these messages are durable, so a lost message delays a notice but does
// not lose it. notify answers every command once.

// NoticesRecorded tells the owner of the outbox that notices are durable.
type NoticesRecorded struct {
	// Notices are the notices of alerts that were recorded together. Frozen.
	Notices []NoticeHead
}

// NoticesQueued hands durable notices to the delivery of their instance.
type NoticesQueued struct {
	// Notices are all for one instance. Frozen.
	Notices []NoticeHead
}

// NoticeOutcome is how a notice ended.
type NoticeOutcome uint8

// The outcomes of a notice.
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

// NoticeSettled reports that the end of a notice is durable. It is for observers only:
// delivery does not depend on it.
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
	// Reason is a text that says why the notice was suppressed or parked.
	Reason   string
	Attempts int
	At       time.Time
}

// DrainDelivery asks to start no new attempts and to reply when the running ones have
// ended and their outcomes are recorded. It cannot be undone.
type DrainDelivery struct{ ReplyTo Ref }

// DrainDeliveryReply answers DrainDelivery.
type DrainDeliveryReply struct {
	// Instance is "" in the reply of notify, which is for all instances.
	Instance string
	// Left counts the notices that wait on disk for the next start. Only notify sets it.
	Left int
}

// DescribeDelivery asks for the state of the delivery.
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
	// Delivering: notices are delivered normally.
	Delivering DeliveryCondition = "ok"
	// DeliveryLoading: the waiting notices are being read from disk.
	DeliveryLoading DeliveryCondition = "loading"
	// DeliveryPaused: the destination asked for a pause.
	DeliveryPaused DeliveryCondition = "paused"
	// DeliveryThrottled: the destination has asked for a pause repeatedly, and has accepted
	// nothing in between.
	DeliveryThrottled DeliveryCondition = "throttled"
	// DeliveryBreakerOpen: the destination keeps failing, and its circuit breaker is open.
	DeliveryBreakerOpen DeliveryCondition = "breaker_open"
	// DeliveryMisconfigured: the circuit breaker is open because the destination refuses
	// every notice until the configuration is corrected.
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
	// LastError is the error because of which it does not deliver, "" if it does.
	LastError string
}

// DeliveryState describes the delivery through one instance at one moment.
type DeliveryState struct {
	Instance    string
	Integration string
	// Path is the key that configures it; "" if it is not configured any more.
	Path      string
	Condition DeliveryCondition
	// Until is when a pause ends or an open breaker allows a probe; zero otherwise.
	Until time.Time
	// Queued counts the notices that are not settled, Retrying those of them that have
	// failed and wait, Attempts the running attempts, and Parked the parked notices.
	Queued, Retrying, Attempts, Parked int
	// Oldest is when the oldest of the Queued notices was queued; zero if there is none.
	Oldest      time.Time
	LastSuccess time.Time
	// LastError is the newest failure since the last success, "" without one.
	LastError string
}

// Why says why nothing is delivered at the moment, "" if that is not so.
func (s DeliveryState) Why() string {
	var why string
	switch s.Condition {
	case DeliveryPaused, DeliveryThrottled:
		why = "the destination asked for a pause" + until(s.Until)
	case DeliveryBreakerOpen:
		why = "the destination keeps failing, and is not tried" + until(s.Until)
	case DeliveryMisconfigured:
		why = "the destination refuses every message, and is not tried" + until(s.Until) + "; its configuration is to be corrected"
	case DeliveryLoading:
		return "the waiting messages are being read from disk"
	case DeliveryDraining:
		return "the service is stopping"
	case DeliveryNotResponding:
		return "the delivery did not answer in time"
	default:
		return ""
	}
	if s.LastError != "" {
		why += ": " + s.LastError
	}
	return why
}

func until(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return " until " + at.UTC().Format("15:04:05") + " UTC"
}

// ReplayParked delivers parked notices again, with no attempts counted.
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

// DropParked removes parked notices permanently.
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
