package messages

import "time"

// Following an execution, from the journal to the recorded decision:
//
//	executions <--ShardStarted--- shard
//	                              shard --ResumeExecution----> execution
//	executions --EventsArrived--> shard --TaskEventObserved--> execution
//	executions <--EventHandled--- shard <--EventHandled------- execution
//	                              shard <--ExecutionFinished-- execution
//	execution --NoticesRecorded--> notify            (see delivery.go)
//
// An event is handled when what was decided about it is durable, or when it was
// found to need no decision. Only then is its record acknowledged.

// PlacedEvent is an event with its place in the journal.
type PlacedEvent struct {
	At    EventPosition
	Key   ExecutionKey
	Event TaskEvent
}

// ShardStarted tells the owner of the journal consumer that a shard is empty
// and wants every event of its partition that is not handled. A shard that was
// restarted says so with its next life.
type ShardStarted struct{ Shard, Life int }

// EventsArrived brings a shard the events of one journal record that are its own.
type EventsArrived struct {
	// Life is that of the shard they are meant for. What still waits for an
	// earlier life is sent again, and not taken twice.
	Life int
	// Again reports that an earlier life, or an earlier process, had them too and
	// may have ended because of one.
	Again bool
	// Events are in the order of the record. Frozen.
	Events []PlacedEvent
}

// ResumeExecution is the first message of an execution that goes on after a
// restart or a crash. A new one begins with its first event.
type ResumeExecution struct {
	Key  ExecutionKey
	Seen Seen
	// Snapshot is the recorded state. Frozen.
	Snapshot []byte
	// Bare asks for an end of the following, with an alert of what is known: the
	// execution has crashed too often since it was recorded.
	Bare bool
}

// Seen is what is remembered of an execution so that nobody is told twice.
type Seen struct {
	// Classes is a set of event families, bit by Family.
	Classes uint8
	// Kinds is a set of alert kinds, bit by their index in TaskKinds.
	Kinds uint16
	// Until is when it may be forgotten.
	Until time.Time
	// Seq is the newest journal record that contributed; it is not forgotten
	// while that record may come again.
	Seq uint64
}

// HasClass reports whether an event of the family was seen.
func (s Seen) HasClass(f Family) bool { return s.Classes&(1<<f) != 0 }

// WithClass returns s with the family added.
func (s Seen) WithClass(f Family) Seen {
	s.Classes |= 1 << f
	return s
}

// WithoutClass returns s with the family removed.
func (s Seen) WithoutClass(f Family) Seen {
	s.Classes &^= 1 << f
	return s
}

// HasKind reports whether an alert of the kind was decided.
func (s Seen) HasKind(k AlertKind) bool { return s.Kinds&kindBit(k) != 0 }

// WithKind returns s with the alert kind added.
func (s Seen) WithKind(k AlertKind) Seen {
	s.Kinds |= kindBit(k)
	return s
}

func kindBit(k AlertKind) uint16 {
	for i, kind := range TaskKinds() {
		if kind == k {
			return 1 << i
		}
	}
	return 0
}

// TaskEventObserved brings an execution one event that is not a duplicate.
type TaskEventObserved struct {
	PlacedEvent
	// Seen is what is remembered of the execution so far.
	Seen Seen
	// Bare asks for a decision from the event alone, without any look-up: the
	// execution has crashed too often on the way of a complete one.
	Bare bool
}

// EventHandled tells the shard that an event needs no more attention.
type EventHandled struct {
	Key ExecutionKey
	At  EventPosition
	// Seen is what is to be remembered now, already durable.
	Seen Seen
	// Released reports that the event was not handled for good (its task does
	// not exist): a repetition is looked at anew.
	Released bool
}

// ExecutionFinished offers the shard to end the execution's actor.
type ExecutionFinished struct {
	Key ExecutionKey
	// Observed counts the events the actor has been given; the shard keeps the
	// actor when it has sent more.
	Observed int
}

// PollDue tells an execution to look at its distribute task again.
type PollDue struct{ Case, Token int }

// GiveUpDue tells an execution that it has followed a distribute task long enough.
type GiveUpDue struct{ Case, Token int }

// DegradeDue tells an execution to decide with what it has.
type DegradeDue struct{ Case, Token int }

// RetryDue tells an execution to repeat a look-up that failed.
type RetryDue struct{ Case, Token int }

// DecisionRecorded tells an execution that its decision is durable.
type DecisionRecorded struct{ Case int }
