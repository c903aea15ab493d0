// Package destination owns the contract between the delivery of notices and the destinations:
// what a destination is, which problems its configuration has, what it needs to know about an
// alert, which instances and recipients get the alert, and how errors are classified.
//
// A destination makes one attempt. It guarantees that an attempt ends when its
// context does, that a cancelled or failed attempt shows no secret, and that text is
// cut to the provider's limits instead of being refused. It must never queue, retry,
// limit, sleep or start a goroutine that outlives the attempt: the delivery actor
// owns all of that. It may keep a connection for the next attempt if it is a Closer.
package destination

import (
	"context"
	"errors"
	"fmt"
	"time"

	"butler/messages"
)

// Destination makes one attempt to deliver one notice.
type Destination interface {
	// Deliver returns a nil error only when the provider has accepted the notice.
	Deliver(ctx context.Context, n messages.Notice) (Receipt, error)
}

// BatchDeliverer is a Destination that delivers several notices in one attempt.
// Delivering the same notice again must have no further effect, as with measurement
// points and files: after a crash during a batch, each of its notices is delivered
// again on its own.
type BatchDeliverer interface {
	// DeliverBatch returns one error per notice, in the order of notices; nil means delivered.
	DeliverBatch(ctx context.Context, notices []messages.Notice) []error
}

// Idler is a Destination that sends nothing for some notices. They count as delivered.
type Idler interface {
	// Idle returns the reason why nothing is sent for n, or "" if n must be delivered.
	// It is pure and quick.
	Idle(n *messages.Notice) string
}

// Closer is a Destination that keeps connections between attempts.
type Closer interface {
	// Close closes the kept connections and returns quickly. Attempts that are running
	// or start later still work, and close their connections when they end.
	Close()
}

// Previewer is a Destination that can show what it would send.
type Previewer interface {
	// Preview returns the message of a notice as the provider would get it, as text.
	Preview(n messages.Notice) (string, error)
}

// Templated is a Previewer that renders its messages from a template file of the operator.
type Templated interface {
	// UseTemplate replaces the configured template by file, an absolute path. It is
	// for previews only and never called on a destination that delivers notices.
	UseTemplate(file string) error
}

// Receipt is what the provider answered.
type Receipt struct {
	// Status is the provider's code, such as "204" or "250".
	Status string
	// Detail is a short text for the operator, already redacted.
	Detail string
}

// Instance is one configured use of a destination: one queue, one pace, one breaker,
// one metric label. The configuration determines how many a destination has.
type Instance struct {
	// Name is unique, and the metric label: "email/reload_task_failed". Waiting notices
	// are found by it, so it must not change with an address. In a list it ends in the
	// number of the entry, which is not always its position: "webhook/reload_task_failed/1".
	Name string
	// Path is the key that configures it, from the root of the configuration.
	Path string
	// Integration is the destination's name: "email", "slack", ...
	Integration string
	// Kinds are the alert kinds it carries.
	Kinds []messages.AlertKind
	// Needs are the look-ups that its notices need in order to be complete.
	Needs Needs
	// Store marks an instance that stores records, such as measurements, and notifies nobody.
	// One of the destination's own sections gets its alerts independently of the routes.
	Store bool
	// Properties are the custom properties of reload tasks that Select reads.
	Properties []Property
	// Select returns the recipients of an alert, or why there are none. Nil means one
	// notice without a recipient. It is pure and quick.
	Select func(a *messages.Alert) Selection
	// Window is the time after a delivered notice in which further ones about the
	// same event and subject, for the same recipient, are held back and counted.
	// Zero means no limit.
	Window time.Duration
	// Pace bounds attempts over all keys; the zero value means no bound.
	Pace Pace
	// MaxInFlight is how many attempts run at once; 0 means the default (8).
	MaxInFlight int
	// Batch is how many notices one attempt may carry, for a BatchDeliverer; 0 means 1.
	Batch int
	// Timeout bounds one attempt; 0 means DefaultTimeout.
	Timeout time.Duration

	// route is the number of the route that configures it, from 1; 0 for one of the
	// destination's own sections.
	route int
}

// Property is a custom property that the configuration relies on.
type Property struct {
	// Path is the key that names the property, from the root of the configuration.
	Path string
	Name string
	// Value must be one of the property's possible values; "" accepts any.
	Value string
	// Values are the only values that have a meaning, whichever are possible; nil means all.
	Values []string
}

// Needs are the look-ups to make for an alert: the union of the needs of all
// instances that will have notices of it.
type Needs struct {
	// Task, App and Owner are metadata from the QRS.
	Task, App, Owner bool
	// Execution is the last execution result.
	Execution bool
	// FinalState makes a success wait until the execution result is final. If it does
	// not become final in time, the instance gets no notice.
	FinalState bool
	// ScriptHead and ScriptTail are numbers of lines of the script log; 0 and 0 need none.
	ScriptHead, ScriptTail int
	// FullScriptLog asks for the whole script log as Notice.Attachment.
	FullScriptLog bool
	// Metadata asks for the task and the app as the QRS returns them.
	Metadata bool
}

// ScriptLog reports whether any part of the script log is needed.
func (n Needs) ScriptLog() bool { return n.ScriptHead > 0 || n.ScriptTail > 0 || n.FullScriptLog }

// Or returns the union of two needs.
func (n Needs) Or(o Needs) Needs {
	return Needs{
		Task: n.Task || o.Task, App: n.App || o.App, Owner: n.Owner || o.Owner,
		Execution: n.Execution || o.Execution, FinalState: n.FinalState || o.FinalState,
		ScriptHead: max(n.ScriptHead, o.ScriptHead), ScriptTail: max(n.ScriptTail, o.ScriptTail),
		FullScriptLog: n.FullScriptLog || o.FullScriptLog, Metadata: n.Metadata || o.Metadata,
	}
}

// Selection is the recipients of an alert at one instance.
type Selection struct {
	// Recipients get one notice each, in this order; the router drops duplicates.
	Recipients []string
	// Reason explains an empty Recipients.
	Reason string
	// LeftOut are the recipients that a rule excludes while others are notified.
	LeftOut []LeftOut
}

// LeftOut are recipients that a rule excludes.
type LeftOut struct {
	// Recipients is empty if they are not known.
	Recipients []string
	// Reason explains the exclusion without naming the recipients.
	Reason string
}

// Everyone selects one notice without a recipient.
func Everyone() Selection { return Selection{Recipients: []string{""}} }

// Nobody selects no recipient, for a reason that an operator can act on.
func Nobody(format string, args ...any) Selection {
	return Selection{Reason: fmt.Sprintf(format, args...)}
}

// DefaultTimeout bounds an attempt of an instance that sets no Timeout.
const DefaultTimeout = 10 * time.Second

// Pace is a token bucket: Rate attempts per second on average, Burst at once.
type Pace struct {
	Rate  float64
	Burst int
}

// ErrorKind classifies a failed attempt. It decides what happens to the notice.
type ErrorKind uint8

const (
	// Transient means: retry with back-off. It is the kind of errors without one.
	Transient ErrorKind = iota
	// DeferredKind means that the provider is reachable but does not take this notice now,
	// for example because a mailbox is full: retry with back-off and let other notices pass.
	DeferredKind
	// ThrottledKind means that the provider asks to wait before the next attempt.
	ThrottledKind
	// PermanentKind means that this notice will never be accepted: park it.
	PermanentKind
	// MisconfiguredKind means that no notice will be accepted until the configuration is
	// fixed (wrong credentials, an invalid address, 401, 403, 404): open the breaker at
	// once and keep the notice, because an operator may fix it in time.
	MisconfiguredKind
)

// Error is a classified failure of an attempt.
type Error struct {
	Kind ErrorKind
	// After is the delay a throttling provider asked for; 0 if it named none.
	After time.Duration
	Err   error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Deferred marks err as concerning one notice that the provider may accept later.
func Deferred(err error) error { return &Error{Kind: DeferredKind, Err: err} }

// Permanent marks err as one that a retry does not fix.
func Permanent(err error) error { return &Error{Kind: PermanentKind, Err: err} }

// Throttled marks err as a request of the provider to wait for a delay.
func Throttled(err error, after time.Duration) error {
	return &Error{Kind: ThrottledKind, After: after, Err: err}
}

// Misconfigured marks err as one that the operator must fix.
func Misconfigured(err error) error { return &Error{Kind: MisconfiguredKind, Err: err} }

// KindOf returns the kind of err and the delay it asks for.
func KindOf(err error) (ErrorKind, time.Duration) {
	if classified, ok := errors.AsType[*Error](err); ok {
		return classified.Kind, classified.After
	}
	return Transient, 0
}
