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
	// Reader is the ID of the reader, which grows with every socket that is opened.
	Reader uint64
	// Datagrams are in the order of arrival. Frozen.
	Datagrams []Datagram
	At        time.Time
}

// DatagramsStored says that the accepted datagrams of one batch are on disk.
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
	// Failure says why the socket cannot be read any more; none when it was closed on purpose.
	Failure Failure
	At      time.Time
}

// CloseIntake closes the socket for good. The reply comes when everything that
// was read before is decided and stored.
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

// IngestSnapshot is the state of the intake. The counters are zero when the actor
// starts, and only grow.
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
	// Failed have an unknown type, a wrong number of fields or a bad ID.
	Failed uint64
	// Dropped is the sum of the three below.
	Dropped          uint64
	DroppedRateLimit uint64
	// DroppedQueueFull could not be journalled.
	DroppedQueueFull uint64
	DroppedSize      uint64
	// RefusedSource came from a sender that is not on the allow-list.
	RefusedSource uint64
	// KernelDropped never reached the process: the receive buffer was full.
	KernelDropped uint64
	// Backlog is the number of journalled events that wait for a decision, QueueMaxSize what is deemed normal.
	Backlog      int
	QueueMaxSize int
	// RateLimitCurrent is the rate of the current window, per minute; 0 without a limit.
	RateLimitCurrent   int
	BackpressureActive bool
	At                 time.Time
}
