package udp

import (
	"fmt"
	"strconv"
)

// Reason says which check refused a datagram. Its text is a metric label and
// part of the quarantine, so it never changes.
type Reason uint8

// The reasons, in the order of the checks: the first one that applies is the one that counts.
const (
	// ReasonNone is the zero value: not refused.
	ReasonNone Reason = iota
	// ReasonSource: the sender is not on the allow-list.
	ReasonSource
	// ReasonOversize: more bytes than the configured maximum.
	ReasonOversize
	// ReasonRateLimit: more datagrams in this minute than allowed.
	ReasonRateLimit
	// ReasonEmpty: no bytes at all.
	ReasonEmpty
	// ReasonUnknownType: the first field is none of the nine identifiers.
	ReasonUnknownType
	// ReasonFieldCount: too few or too many fields for the type.
	ReasonFieldCount
	// ReasonBadTaskID: the task ID is missing or not a GUID.
	ReasonBadTaskID
	// ReasonBadAppID: the app ID is there and not a GUID.
	ReasonBadAppID
	// ReasonInternalError: the check itself panicked, which is a bug.
	ReasonInternalError
	// ReasonJournalUnavailable: the datagram is an event, and the journal cannot be written.
	ReasonJournalUnavailable
)

var reasonNames = [...]string{
	"none", "source", "oversize", "rate_limit", "empty", "unknown_type",
	"field_count", "bad_task_id", "bad_app_id", "internal_error", "journal_unavailable",
}

// String returns the label form of r.
func (r Reason) String() string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return "Reason(" + strconv.Itoa(int(r)) + ")"
}

// Reasons lists every reason for a refusal, in the order of the checks.
func Reasons() []Reason {
	out := make([]Reason, 0, len(reasonNames)-1)
	for r := ReasonSource; int(r) < len(reasonNames); r++ {
		out = append(out, r)
	}
	return out
}

// Malformed reports whether the content of the datagram was at fault, and not
// who sent it, how much, or when.
func (r Reason) Malformed() bool { return r >= ReasonEmpty && r <= ReasonInternalError }

// Rejection says why a payload is no task event.
type Rejection struct {
	Reason Reason
	// Detail is the offending text, sanitised and at most 200 characters long: the
	// message type, the value that should have been an ID, or the panic of the check.
	Detail string
	// Expected and Actual are field counts, set for ReasonFieldCount.
	Expected, Actual int
	// AtLeast reports that Expected is a minimum.
	AtLeast bool
	// Untyped reports that the datagram is a failed reload without a message type, as
	// appender files of early versions of the Node.js tool send it.
	Untyped bool
}

// Error describes the rejection in one sentence fragment.
func (r *Rejection) Error() string {
	switch r.Reason {
	case ReasonEmpty:
		return "the datagram is empty"
	case ReasonUnknownType:
		if r.Untyped {
			return fmt.Sprintf("no message type: the node %q has an appender file of an early version of the Node.js tool; replace it with that of butler appender", r.Detail)
		}
		return fmt.Sprintf("unknown message type %q", r.Detail)
	case ReasonFieldCount:
		bound := "exactly"
		if r.AtLeast {
			bound = "at least"
		}
		return fmt.Sprintf("%d fields, want %s %d", r.Actual, bound, r.Expected)
	case ReasonBadTaskID:
		return fmt.Sprintf("task ID %q is not a GUID", r.Detail)
	case ReasonBadAppID:
		return fmt.Sprintf("app ID %q is not a GUID", r.Detail)
	case ReasonInternalError:
		return "a bug of butler: checking it failed with " + r.Detail
	default:
		return r.Reason.String()
	}
}
