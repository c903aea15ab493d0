// Package ingest owns the way of a datagram from the socket to the journal: the
// reader, the checks in their order, the refusals and what is told of them.
//
// It guarantees that an accepted datagram is on disk before anything depends on it;
// that about Credits batches of a socket at most are read and not yet on disk - beyond
// that they wait in the kernel's buffer, whose drops are counted; and that every
// refused datagram is counted by reason, logged (the first at once, the rest as a sum)
// and, up to a limit, kept in the quarantine. A long backlog is logged. It slows nothing
// down, because it waits on disk.
//
// It must never drop an event because others are slow, never block, and never
// decide what an event means. De-duplication is not done here but by the shards, where
// copies of an event meet that came in through different machines.
//
// Each open socket has one goroutine, the reader. It ends when the socket is closed.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/journal"
	"butler/internal/udp"
	"butler/messages"
)

// Credits is how many batches of one socket may be read and not yet stored. While the
// journal cannot be written there is one more. The rest of a closed socket needs none.
const Credits = 64

// Queue is the durable queue of events; *journal.Queue is the one in use.
type Queue interface {
	Append(entries [][]byte, done func(seq journal.Seq, base int, err error))
	Stats() journal.QueueStats
	Writable() error
}

// Socket is where datagrams come from; *udp.Socket is the one in use. Only the reader
// calls ReadBatch. After Close, ReadBatch returns what was already taken from the
// kernel, and then net.ErrClosed.
type Socket interface {
	ReadBatch() ([]messages.Datagram, error)
	Addr() netip.AddrPort
	ReceiveBuffer() int
	Dropped() uint64
	Close() error
}

// Sources says who may send; *udp.AllowList is the one in use.
type Sources interface {
	Resolve(ctx context.Context, last *udp.Set) (*udp.Set, error)
}

// Quarantine keeps refused datagrams for an operator; *quarantine.Quarantine is the one in
// use. Put does not block; it calls kept, on another goroutine, when the datagram is on
// disk, and not at all if it is not kept.
type Quarantine interface {
	Put(d messages.QuarantinedDatagram, kept func())
}

// Options configure the actor.
type Options struct {
	Kit     *actorkit.Kit
	Log     *zap.Logger
	Metrics *Metrics
	Queue   Queue
	Rules   Rules
	// Listen opens the socket. It may look up a host name.
	Listen func(ctx context.Context) (Socket, error)
	// Sources is nil when every source is accepted.
	Sources Sources
	// ReceiveBuffer is the size that Listen asks for, in bytes; a smaller one is warned about.
	ReceiveBuffer int
	// Quarantine is nil when nothing is kept.
	Quarantine Quarantine
	// OnBurst, if set, is called when a read has returned a full batch, so that more may
	// be waiting. It runs on the reader's goroutine and must not block.
	OnBurst func()
	// OnListening, if set, is called with the socket whenever one is opened or replaced. It must not block.
	OnListening func(Socket)
	// OnFailed, if set, is called when the socket cannot be opened or is lost. It must not block.
	OnFailed func(error)
}

// Changed brings a new configuration. Kit, Queue, Metrics and Quarantine stay.
type Changed struct {
	Rules   Rules
	Sources Sources
	// Allowed is what Sources has just resolved to, nil without Sources. A name that
	// could not be resolved keeps its earlier addresses.
	Allowed *udp.Set
	// Socket is open already; nil keeps the one in use. The old one is read for
	// LingerFor.
	Socket Socket
	// Listen and ReceiveBuffer replace those of Options together with the socket.
	Listen        func(ctx context.Context) (Socket, error)
	ReceiveBuffer int
}

// Rules are what the configuration says about a datagram.
type Rules struct {
	// MaxMessageSize is the largest accepted payload in bytes.
	MaxMessageSize int
	// RateLimit is how many datagrams are accepted in a minute; 0 means any number.
	RateLimit int
	// RecoverSemicolons accepts names and messages that hold the field separator.
	RecoverSemicolons bool
	// QueueSize is the backlog that is considered normal, in events.
	QueueSize int
	// BackpressureThreshold is the share of QueueSize, in percent, from which on the backlog is reported.
	BackpressureThreshold float64
}

// Validate reports every rule that makes no sense.
func (r Rules) Validate() error {
	var problems []error
	if r.MaxMessageSize < 1 {
		problems = append(problems, fmt.Errorf("maxMessageSize is %d, want at least 1", r.MaxMessageSize))
	}
	if r.RateLimit < 0 {
		problems = append(problems, fmt.Errorf("maxMessagesPerMinute is %d, want 0 or more", r.RateLimit))
	}
	if r.QueueSize < 1 {
		problems = append(problems, fmt.Errorf("messageQueue.maxSize is %d, want at least 1", r.QueueSize))
	}
	if !(r.BackpressureThreshold >= 0 && r.BackpressureThreshold <= 100) {
		problems = append(problems, fmt.Errorf("messageQueue.backpressureThreshold is %v, want 0 to 100", r.BackpressureThreshold))
	}
	return errors.Join(problems...)
}
