// Package journal owns what the service remembers across a crash: the port to
// an append-only durable log, the record codec, and the structures that the
// actors use on top of it: Queue (events waiting for a decision), Ledger (keyed
// state: live executions, notices, marks of what was handled), and Notes (a history
// that may be lost).
//
// It guarantees that a write is on disk before its callback runs, that writes are
// packed into few records by group commit, and that after the process was killed at
// any instant every acknowledged write is found again, and none of them in part.
// Writes are retried until they succeed or the journal is closed: a full or broken
// disk is reported as a state, not as an error to each caller. Notes are different:
// they are written about once a second, and dropped rather than waited for.
//
// It must never interpret what it stores, and never drop an unhandled event.
//
// Goroutines: one for each Ledger, Queue and Notes, from its opening to its Close.
// It runs their callbacks, one at a time and in the order of the calls; a callback
// that blocks delays the writes behind it.
package journal

import (
	"context"
	"errors"
)

// Seq is the sequence number of a record in a log, from 1. It only grows, also across
// restarts.
type Seq uint64

// Errors that a Log or Store returns; test for them with errors.Is.
var (
	// ErrFull: the log has reached its size limit, or the disk is full.
	ErrFull = errors.New("journal is full")
	// ErrUnavailable: the storage cannot be written now; a retry may succeed.
	ErrUnavailable = errors.New("journal is unavailable")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("journal is closed")
	// ErrCorrupt: a record does not match its checksum or version.
	ErrCorrupt = errors.New("journal record is corrupt")
	// ErrTooLarge: entries that have to stay together do not fit one record.
	ErrTooLarge = errors.New("journal entry is too large")
)

// Limits bound a log. Zero means no limit.
type Limits struct {
	// MaxBytes is the size at which Append returns ErrFull.
	MaxBytes int64
}

// Log is a durable sequence of records. Implementations are safe for concurrent
// use. Every implementation passes journaltest.Run.
type Log interface {
	// Append makes record durable and returns its sequence number. A second Append
	// with the same id, soon after one that failed with an unknown outcome, adds
	// nothing and returns the sequence number of the first. Ids are unique per log.
	// The record is only valid during the call.
	Append(ctx context.Context, id string, record []byte) (Seq, error)
	// Read calls visit for every record from seq on, in order, up to the end at
	// the time of the call. The slice is only valid during the call. It stops at
	// the first error of visit and returns it.
	Read(ctx context.Context, from Seq, visit func(Seq, []byte) error) error
	// Trim removes the records before seq. If seq is beyond the end, all records are
	// removed and the next one gets seq.
	Trim(ctx context.Context, before Seq) error
	// Bounds returns the sequence numbers of the first kept record and of the next
	// one to be appended.
	Bounds() (first, next Seq)
	// Bytes returns the size on disk, approximately.
	Bytes() int64
}

// Bounded is implemented by a Log that takes records of at most MaxRecord bytes, such
// as one with a message size limit.
type Bounded interface {
	MaxRecord() int
}

// Remembered is implemented by a Log that has a second record of where it ended, so
// that sequence numbers are not used again after the loss of its newest records.
type Remembered interface {
	// Expected is the least sequence number of the next record; 0 when it is not known.
	Expected() Seq
}

// Damage is what a store found wrong with the files of a log.
type Damage struct {
	// Log is the name of the log.
	Log string
	// Lost counts the records that are known to be gone, Bytes what could not be read.
	Lost, Bytes int64
}

// Store opens logs by name. A name is letters, digits and underscores. A log is
// used by one process, through one Log at a time; opening it anew replaces its limits.
type Store interface {
	Open(ctx context.Context, name string, limits Limits) (Log, error)
	Close() error
}
