package messages

import "time"

// The intake of task events:
//
//	socket reader --DatagramsReceived, ReaderStopped--> ingest
//	journal       --DatagramsStored-------------------> ingest
//	app           --InspectIngest, CloseIntake--------> ingest --InspectIngestReply, CloseIntakeReply--> asker
//
// Every reader has a fixed number of credits. Reading a batch takes one, which is
// released, without a message, when the batch is on disk or has nothing to store. So
// about that many batches of an open socket are in flight.

// DatagramsReceived is one batch from the socket.
type DatagramsReceived struct {
	// Reader is the ID of the reader. Each newly opened socket has a higher one.
	Reader uint64
	// Datagrams are in the order of arrival. Frozen.
	Datagrams []Datagram
	At        time.Time
}

// DatagramsStored reports that the accepted datagrams of one batch are on disk, or could
// not be stored.
type DatagramsStored struct {
	Reader uint64
	// Count is the number of datagrams.
	Count int
	// ReceivedAt is when the batch was read.
	ReceivedAt time.Time
	// Failure is set when the journal was closed before it could store them.
	Failure Failure
	At      time.Time
}

// ReaderStopped is the last message of a reader.
type ReaderStopped struct {
	Reader uint64
	// Failure says why the socket cannot be read any more; none if it was closed on purpose.
	Failure Failure
	At      time.Time
}

// CloseIntake closes the socket permanently. The reply comes when all datagrams that were
// read before are checked, and stored if they are accepted.
type CloseIntake struct {
	ReplyTo Ref
}

// CloseIntakeReply answers CloseIntake.
type CloseIntakeReply struct{}

// InspectIngest asks for the state of the intake.
type InspectIngest struct {
	ReplyTo Ref
}

// InspectIngestReply answers InspectIngest.
type InspectIngestReply struct {
	Ingest IngestSnapshot
}

// IngestSnapshot is the state of the intake. The counters count datagrams since the start
// of the actor.
type IngestSnapshot struct {
	// Listening reports that the socket is open, at Address.
	Listening bool
	Address   string
	// Received = Queued + Dropped. It does not include RefusedSource.
	Received uint64
	// Queued passed the checks of size and rate and found the journal ready: Processed + Failed + Stored + in flight.
	Queued uint64
	// Stored are durable in the journal.
	Stored uint64
	// Processed are handled by the intake itself: engine events, which are only logged.
	Processed uint64
	// Failed have an unknown type, a wrong number of fields or an invalid ID.
	Failed uint64
	// Dropped is the sum of DroppedRateLimit, DroppedQueueFull and DroppedSize.
	Dropped          uint64
	DroppedRateLimit uint64
	// DroppedQueueFull could not be stored in the journal.
	DroppedQueueFull uint64
	DroppedSize      uint64
	// RefusedSource were sent by a sender that is not on the allow-list.
	RefusedSource uint64
	// KernelDropped did not reach the process, because the receive buffer was full.
	KernelDropped uint64
	// Backlog is the number of events in the journal that wait for a decision, and
	// QueueMaxSize the configured number with which it is compared.
	Backlog      int
	QueueMaxSize int
	// RateLimitCurrent is the rate of the current window, per minute; 0 without a limit.
	RateLimitCurrent   int
	BackpressureActive bool
	At                 time.Time
}
