// Package trail owns the explanation of why people were alerted of an execution, or
// not: the steps that the actors record (Trail), and the story that these make
// together with the journal (Tell).
//
// It guarantees that recording a step neither blocks nor fails, that an entry is
// bounded in size whatever came over the network, and that a story never claims an
// outcome that the ledger contradicts. Steps may be missing, because the process was
// killed a moment later or because they were deleted for their age; the story says
// so. It must never influence a decision: a trail is only read for people.
package trail

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"butler/internal/journal"
	"butler/internal/outbox"
	"butler/internal/qlik"
	"butler/internal/wire"
	"butler/messages"
)

// Notes is where steps are kept; *journal.Notes is the one in use.
type Notes interface {
	Add(entry []byte)
	Flush(ctx context.Context) error
	Range(ctx context.Context, visit func(journal.Record) error) error
	Tail(ctx context.Context, records int, visit func(journal.Record) error) (older bool, err error)
}

// Trail records steps. A nil Trail records nothing. It is safe for concurrent use.
type Trail struct{ notes Notes }

// New returns a trail in notes.
func New(notes Notes) *Trail { return &Trail{notes} }

// Entry is one step: *Decision, *Duplicate, *Attempt, *End or *Drop.
type Entry interface {
	head() *Head
	sort() byte
	lay(w *wire.Wire)
}

// Head says what a step is about.
type Head struct {
	Key messages.ExecutionKey
	// ExecutionID is the scheduler's ID of the execution, "" when that is its key.
	ExecutionID string
	At          time.Time
}

// Decision is what became of an event.
type Decision struct {
	Head
	// Place is that of the event in the journal; zero for a task that was followed over a restart.
	Place    messages.EventPosition
	Family   messages.Family
	Received time.Time
	Source   string
	Host     string
	TaskID   string
	TaskName string
	AppName  string
	// TaskType is valid only if TaskKnown.
	TaskKnown bool
	TaskType  qlik.TaskType
	// Outcome is the label of the outcome, Text the same for people. Some are NoRoute, and
	// the states Following and AlreadyAlerted.
	Outcome, Text string
	// Alert is the kind of the alert, "" without one.
	Alert       messages.AlertKind
	Lookups     []Lookup
	Degraded    []string
	Notified    []Notified
	NotNotified []NotNotified
	// More counts those that Notified and NotNotified leave out.
	More int
}

// NoRoute is the outcome of an event that no destination carries.
const NoRoute = "no_route"

// Lookup is a look-up before a decision; repetitions with the same answer are one.
type Lookup struct {
	What string
	// Asked is when it was asked first, Answered when it was last answered; zero without an answer.
	Asked, Answered time.Time
	Times           int
	// Memory reports that the answer came from a cache; it is of AsOf.
	Memory bool
	AsOf   time.Time
	// Stale reports that the answer is old because the repository was out of reach.
	Stale bool
	// Along names other objects that came with the same answer.
	Along   string
	Failure string
}

// Notified is a notice of a decision.
type Notified struct {
	ID                  messages.NoticeID
	Instance, Recipient string
}

// NotNotified is a destination without a notice.
type NotNotified struct{ Instance, Reason string }

// Duplicate is an event that repeats an earlier one.
type Duplicate struct {
	Head
	Place    messages.EventPosition
	Family   messages.Family
	Received time.Time
	Source   string
}

// Attempt is one try to deliver a notice. Its time is that of the answer.
type Attempt struct {
	Head
	Notice   messages.NoticeID
	Instance string
	Number   int
	Took     time.Duration
	// Failure is the class of the failure, "" when the destination has accepted it; Err is
	// what went wrong, or why there was nothing to do for one that is accepted.
	Failure, Err string
}

// End is the end of a notice that was not delivered.
type End struct {
	Head
	Notice    messages.NoticeID
	Instance  string
	Recipient string
	Alert     messages.AlertKind
	Outcome   messages.NoticeOutcome
	Attempts  int
	Reason    string
}

// NewEnd is the step of a notice that has ended.
func NewEnd(end messages.NoticeSettled) *End {
	return &End{
		Head: Head{Key: end.Key, At: end.At}, Notice: end.ID, Instance: end.Instance, Recipient: end.Recipient,
		Alert: end.Kind, Outcome: end.Outcome, Attempts: end.Attempts, Reason: end.Reason,
	}
}

// Drop is the end of a notice that was parked before.
type Drop struct {
	Head
	Notice    messages.NoticeID
	Instance  string
	Recipient string
	// Why says who or what has dropped it.
	Why string
}

// Why a parked notice is dropped.
const (
	ByOperator = "dropped by an operator"
	ByAge      = "dropped because it was older than delivery.parkedKeepFor, or more was parked than delivery.parkedMaxBytes"
)

// NewDrop is the step of a parked notice that is dropped at a time, ByOperator or ByAge.
func NewDrop(p *outbox.Parked, at time.Time, why string) *Drop {
	return &Drop{Head: Head{Key: p.Key, At: at}, Notice: p.ID, Instance: p.Instance, Recipient: p.Recipient, Why: why}
}

// The bounds of a step: bytes of a text, and items of a list.
const (
	maxText  = 300
	maxItems = 100
)

// version is the first byte of every entry, before the sort of step, the key and the
// execution ID. A release that changes the layout increments it and reads both.
const version = 1

const (
	sortDecision byte = 1 + iota
	sortDuplicate
	sortAttempt
	sortEnd
	sortDrop
)

// scratch is the memory an entry is encoded in.
type scratch struct{ wire wire.Wire }

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// Write records a step. It takes ownership of e, and cuts what is too long in it.
func (t *Trail) Write(e Entry) {
	if t == nil {
		return
	}
	s := scratches.Get().(*scratch)
	s.wire = wire.Writer(append(s.wire.Bytes()[:0], version, e.sort()))
	head := e.head()
	wire.Text(&s.wire, &head.Key)
	if head.ExecutionID == string(head.Key) {
		head.ExecutionID = ""
	}
	wire.Text(&s.wire, &head.ExecutionID)
	layTime(&s.wire, &head.At)
	e.lay(&s.wire)
	t.notes.Add(s.wire.Bytes())
	scratches.Put(s)
}

// Found is what a search has found.
type Found struct {
	// Entries are in the order in which they were noted.
	Entries []Entry
	// Since is when the oldest record was written; zero without any.
	Since time.Time
	// Unreadable counts records and entries that are damaged or of a later release.
	Unreadable int
	// More reports that there is more than limit.
	More bool
}

var errEnough = errors.New("enough entries")

// Find returns at most limit steps of the executions that are named in names, by
// key or by execution ID, whatever the case.
func (t *Trail) Find(ctx context.Context, names []string, limit int) (Found, error) {
	var out Found
	if t == nil {
		return out, nil
	}
	// If this fails, the latest steps are missing; the health of the journal shows it.
	_ = t.notes.Flush(ctx)
	wanted := make([][]byte, len(names))
	for i, name := range names {
		wanted[i] = []byte(name)
	}
	err := t.notes.Range(ctx, func(r journal.Record) error {
		if out.Since.IsZero() {
			out.Since = r.At
		}
		if r.Damage != nil {
			out.Unreadable++
		}
		for _, raw := range r.Entries {
			if !about(raw, wanted) {
				continue
			}
			entry, err := decode(raw)
			switch {
			case err != nil:
				out.Unreadable++
			case len(out.Entries) == limit:
				out.More = true
				return errEnough
			default:
				out.Entries = append(out.Entries, entry)
			}
		}
		return ctx.Err()
	})
	if err != nil && !errors.Is(err, errEnough) {
		return out, fmt.Errorf("read the trail: %w", err)
	}
	return out, nil
}

// Of returns the entries whose key or execution ID satisfies is.
func Of(entries []Entry, is func(name string) bool) []Entry {
	var out []Entry
	for _, e := range entries {
		if head := e.head(); is(string(head.Key)) || head.ExecutionID != "" && is(head.ExecutionID) {
			out = append(out, e)
		}
	}
	return out
}

// about reports whether an entry names one of the executions, without decoding it.
func about(raw []byte, names [][]byte) bool {
	key, id, ok := namesIn(raw)
	return ok && slices.ContainsFunc(names, func(name []byte) bool {
		return len(key) == len(name) && bytes.EqualFold(key, name) || len(id) == len(name) && bytes.EqualFold(id, name)
	})
}

// namesIn returns the key and the execution ID in an entry, without decoding the rest.
func namesIn(raw []byte) (key, id []byte, ok bool) {
	if len(raw) < 2 {
		return nil, nil, false
	}
	rest := raw[2:]
	next := func() (text []byte, ok bool) {
		size, n := binary.Uvarint(rest)
		if n <= 0 || size > uint64(len(rest)-n) {
			return nil, false
		}
		text, rest = rest[n:n+int(size)], rest[n+int(size):]
		return text, true
	}
	if key, ok = next(); ok {
		id, ok = next()
	}
	return key, id, ok
}

// decode reads what Write wrote.
func decode(raw []byte) (Entry, error) {
	if len(raw) < 2 || raw[0] != version {
		return nil, errors.New("entry of a version that this release does not read")
	}
	var e Entry
	switch raw[1] {
	case sortDecision:
		e = &Decision{}
	case sortDuplicate:
		e = &Duplicate{}
	case sortAttempt:
		e = &Attempt{}
	case sortEnd:
		e = &End{}
	case sortDrop:
		e = &Drop{}
	default:
		return nil, fmt.Errorf("entry of an unknown sort %d", raw[1])
	}
	w := wire.Reader(raw[2:])
	head := e.head()
	wire.Text(&w, &head.Key)
	wire.Text(&w, &head.ExecutionID)
	layTime(&w, &head.At)
	e.lay(&w)
	return e, w.Finish()
}
