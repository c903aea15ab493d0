package messages

import "time"

// Following an execution, from the journal to the recorded decision:
//
//	executions <--ShardStarted--- shard
//	                              shard --ResumeExecution----> execution
//	executions --EventsArrived--> shard --TaskEventObserved--> execution
//	executions <--EventsHandled-- shard <--EventHandled------- execution
//	                              shard <--ExecutionAsleep---- execution
//	                              shard <--ExecutionFinished-- execution
//	execution --NoticesRecorded--> notify            (see delivery.go)
//
// An event is handled when what was decided about it is durable, or when it was
// found to need no decision. Only then is its record acknowledged. An execution of
// one event that waits for nothing but answers is decided by its shard, without an
// actor; the shard asks qrsgate itself then (see qrs.go).

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
	// Due says that the time of the next poll has come, so that it need not be
	// spread any more.
	Due bool
	// Slept is when the execution fell asleep, and the snapshot what it left then.
	// It is zero for a snapshot that was recorded.
	Slept time.Time
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
	// Since is when the event was taken up first; zero means now. The time for its
	// look-ups began then.
	Since time.Time
}

// Verdict says what has become of an execution at the desk of its shard.
type Verdict uint8

const (
	// VerdictLeft is for one that takes an actor. Nothing has happened.
	VerdictLeft Verdict = iota
	// VerdictWaits is for one that waits for an answer or a time.
	VerdictWaits
	// VerdictDecided is for one that is decided, and ready to be recorded.
	VerdictDecided
)

// Ruling is what a desk says of an execution.
type Ruling struct {
	Key     ExecutionKey
	Verdict Verdict
	// Seen is what is remembered of a decided one, once it is recorded.
	Seen Seen
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

// EventsHandled tells the owner of the journal consumer that events need no more attention.
type EventsHandled struct {
	// At is where they are. Frozen.
	At []EventPosition
}

// ExecutionFinished offers the shard to end the execution's actor.
type ExecutionFinished struct {
	Key ExecutionKey
	// Observed counts the events the actor has been given; the shard keeps the
	// actor when it has sent more.
	Observed int
	// Seen is what is to be remembered of the execution, already durable: the
	// outcome of a followed task comes long after its event was handled.
	Seen Seen
}

// ExecutionAsleep offers the shard to end the execution's actor until there is
// something to do: it follows distribute tasks, and nothing is under way. Until its
// next event the actor does nothing more.
type ExecutionAsleep struct {
	Key ExecutionKey
	// Observed and Seen are those of ExecutionFinished.
	Observed int
	Seen     Seen
	// At is when it fell asleep, Poll when a task is to be looked at next, and
	// GiveUp when one is not followed any longer.
	At, Poll, GiveUp time.Time
	// Tasks is how many are followed.
	Tasks int
	// Snapshot is what the execution goes on from, in this process alone. Frozen.
	Snapshot []byte
}

// PollDue tells an execution to look at its distribute task again.
type PollDue struct{ Case, Token int }

// GiveUpDue tells an execution that it has followed a distribute task long enough.
type GiveUpDue struct{ Case, Token int }

// DegradeDue tells an execution to decide with what it has.
type DegradeDue struct{ Case, Token int }

// RetryDue tells an execution to repeat a look-up that failed.
type RetryDue struct{ Case, Token int }

// DecisionRecorded tells an execution that a decision is durable; Token says which.
type DecisionRecorded struct{ Case, Token int }
