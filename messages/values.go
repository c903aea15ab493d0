package messages

// Ref is the address of an actor. Only the actor kit interprets it. With it a message
// can carry a reply address without depending on a runtime.
type Ref struct {
	Address string
	ID      string
	// Request identifies one of those who wait for an answer at an address; 0 for an actor.
	Request uint32
}

// IsZero reports whether r addresses nobody.
func (r Ref) IsZero() bool { return r.ID == "" }

// FailureKind classifies an expected failure; it decides what the receiver does next.
type FailureKind uint8

// The kinds of failure that travel in a reply.
const (
	// FailureNone is the zero value: the call succeeded.
	FailureNone FailureKind = iota
	// FailureUnavailable: the other side could not be reached or answered 5xx. Worth trying again.
	FailureUnavailable
	// FailureTimeout: no answer in time. Worth trying again.
	FailureTimeout
	// FailureBusy: a limit of our own is reached. Worth trying again, later.
	FailureBusy
	// FailureNotFound: the other side answered, and the thing does not exist.
	FailureNotFound
	// FailureRejected: the other side refuses the request (4xx); trying again does not help.
	FailureRejected
	// FailureInvalid: the answer could not be understood.
	FailureInvalid
	// FailureFull: a store has no room for anything new. Trying again helps once something was deleted.
	FailureFull
	// FailureConflict: a condition of the request does not hold.
	FailureConflict
)

var failureNames = [...]string{"none", "unavailable", "timeout", "busy", "not_found", "rejected", "invalid", "full", "conflict"}

// String returns the label form of k.
func (k FailureKind) String() string {
	if int(k) < len(failureNames) {
		return failureNames[k]
	}
	return "unknown"
}

// Failure is an expected failure as a value, so that a message can be compared and journalled.
type Failure struct {
	Kind FailureKind
	// Text says what failed, for the log and the operator. It has no secrets.
	Text string
}

// Failed reports whether f is a failure at all.
func (f Failure) Failed() bool { return f.Kind != FailureNone }

// Retryable reports whether the same call may succeed later.
func (f Failure) Retryable() bool {
	return f.Kind == FailureUnavailable || f.Kind == FailureTimeout || f.Kind == FailureBusy || f.Kind == FailureInvalid
}

// Error makes a Failure usable as an error where a library wants one.
func (f Failure) Error() string { return f.Kind.String() + ": " + f.Text }
