package messages

import "time"

// The handling of an event, from the journal to the recorded decision:
//
//	executions <--ShardStarted--- shard
//	                              shard --ResumeExecution----> execution
//	executions --EventsArrived--> shard --TaskEventObserved--> execution
//	executions <--EventsHandled-- shard <--EventHandled------- execution
//	                              shard <--ExecutionAsleep---- execution
//	                              shard <--ExecutionFinished-- execution
//	execution --NoticesRecorded--> notify            (see delivery.go)
//
// An event is handled when the decision about it is durable, or when it needs none.
// Its record is acknowledged when all of its events are handled. An execution that
// has one event and needs nothing but look-ups gets no actor: its shard asks
// qrsgate (see qrs.go) and decides.

// PlacedEvent is an event with its place in the journal.
type PlacedEvent struct {
	At    EventPosition
	Key   ExecutionKey
	Event TaskEvent
}

// ShardStarted tells the owner of the journal consumer that a shard is empty and needs
// every unhandled event of its partition. A restarted shard sends it with the next Life.
type ShardStarted struct{ Shard, Life int }

// EventsArrived brings a shard the events of one journal record that are its own.
type EventsArrived struct {
	// Life is the life of the shard for which the events are. Messages to an earlier life
	// are ignored, because the events are sent again to the present one.
	Life int
	// Again reports that an earlier life or process also had the events, and may have
	// crashed because of one.
	Again bool
	// Events are in the order of the record. Frozen.
	Events []PlacedEvent
}

// ResumeExecution is the first message to an execution that continues after a restart or
// a crash. A new execution begins with its first event.
type ResumeExecution struct {
	Key  ExecutionKey
	Seen Seen
	// Snapshot is the recorded state. Frozen.
	Snapshot []byte
	// Bare asks to stop following and to alert with what is known: the execution has
	// crashed too often.
	Bare bool
	// Due asks to poll immediately instead of after a random delay.
	Due bool
	// Slept is when the execution fell asleep and made the snapshot. It is zero for
	// a snapshot from the journal.
	Slept time.Time
}

// Seen is the stored state of an execution by which repeated events are recognised.
type Seen struct {
	// Families are the event families that were seen, bit by Family.
	Families uint8
	// Kinds is a set of alert kinds, bit by their index in TaskKinds.
	Kinds uint16
	// Until is when it may be forgotten.
	Until time.Time
	// Seq is the newest journal record that contributed; it is not forgotten
	// while that record may come again.
	Seq uint64
}

// HasFamily reports whether an event of the family was seen.
func (s Seen) HasFamily(f Family) bool { return s.Families&(1<<f) != 0 }

// WithFamily returns s with the family added.
func (s Seen) WithFamily(f Family) Seen {
	s.Families |= 1 << f
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
	// execution has crashed too often.
	Bare bool
	// Since is when the time for its look-ups began; zero means now.
	Since time.Time
}

// EventHandled tells the shard that an event is handled.
type EventHandled struct {
	Key ExecutionKey
	At  EventPosition
	// Seen is what is to be remembered now, already durable.
	Seen Seen
	// Released reports that the event is not remembered, because its task does not
	// exist: a repetition of it is no duplicate.
	Released bool
}

// EventsHandled tells the owner of the journal consumer that events are handled.
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
	// Seen is what is to be remembered of the execution, already durable. It may be
	// more than EventHandled said: a followed task ends long after its event was handled.
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
	// Snapshot is the state from which the execution continues, in this process only. Frozen.
	Snapshot []byte
}

// PollDue tells an execution to look up its distribute task again.
type PollDue struct{ Work, Token int }

// GiveUpDue tells an execution to stop following a distribute task.
type GiveUpDue struct{ Work, Token int }

// DegradeDue tells an execution to decide with the results that it has.
type DegradeDue struct{ Work, Token int }

// RetryDue tells an execution to repeat a look-up that failed.
type RetryDue struct{ Work, Token int }

// DecisionRecorded tells an execution that a decision is durable; Token says which.
type DecisionRecorded struct{ Work, Token int }
