// Package fastpath owns what the fast path of a shard answers about an execution.
// The shard and the fast path are in packages that do not know each other.
//
// A ruling is a value: it guarantees nothing, and nothing waits for it. It must never
// become a message: a decision in it is not on disk.
package fastpath

import "butler/messages"

// Progress is how far the fast path has got with an execution.
type Progress uint8

const (
	// NeedsActor means that the fast path cannot decide it. It has had no effect.
	NeedsActor Progress = iota
	// Waiting means that it waits for a look-up or a timer.
	Waiting
	// Decided means that it is decided and has to be recorded.
	Decided
)

// Ruling is the answer of a fast path about an execution.
type Ruling struct {
	Key      messages.ExecutionKey
	Progress Progress
	// Seen is what to remember of it once the decision is recorded.
	Seen messages.Seen
}
