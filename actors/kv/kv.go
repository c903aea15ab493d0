// Package kv owns the key-value store: namespaces of string values, each with an
// optional time to live and a revision.
//
// It guarantees that
//   - an acknowledged change is on disk, and no answer reveals a change that a crash
//     could undo: it waits for the commit that it depends on;
//   - an expired value is never returned, and within a second of its expiry it is
//     removed, reported to watchers and counted, by one timer per namespace; values
//     keep their remaining time to live across a restart;
//   - a namespace exists from its first accepted put until it is deleted together
//     with all of its values, which is atomic;
//   - revisions of a namespace only grow, so that a put on the condition of a
//     revision never overwrites a change made in between;
//   - memory is bounded: by the number of namespaces and of keys in each, the size of
//     names, keys and values, the total of all of them, the changes that wait for the
//     disk, and the credit of each watcher. What does not fit is refused; nothing is
//     dropped to make room for it;
//   - a namespace that crashes is rebuilt from the ledger while the others go on.
//
// Without a ledger everything is kept in memory only: a restart of the process
// loses all of it, and a crash of an actor loses what that actor held.
//
// It must never block, interpret a value or write one to the log.
//
// The directory decides about namespaces, and one machine per namespace about its
// values; actors carry their decisions out. A value that was read is kept in a read
// cache until it changes, so that reading it again takes no message to an actor.
// Goroutines: one for each reading of the ledger, at the start of the store and after a
// crash; it ends with the actor that started it.
package kv

import (
	"fmt"
	"unicode/utf8"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/journal"
	"butler/messages"
)

// Ledger is the durable storage; *journal.Ledger implements it. The store should have
// a ledger of its own, to keep large values out of the one that alerts depend on.
type Ledger interface {
	// Commit must copy ops.
	Commit(ops []journal.Op, done func(error))
	Get(b journal.Bucket, key string) ([]byte, bool, error)
	Select(b journal.Bucket, want func(key string) bool, visit func(key string, value []byte) bool) error
}

// Options configure the store. Kit and Supervise are required.
type Options struct {
	Kit *actorkit.Kit
	// Ledger keeps the values; nil keeps them in memory only.
	Ledger Ledger
	// MaxRecord is the size of the largest record that the log of the ledger takes
	// (journal.Bounded); 0 means 16 MiB. It limits the length of values.
	MaxRecord int
	Limits    Limits
	// Log may be nil.
	Log *zap.Logger
	// Metrics may be nil.
	Metrics *Metrics
	// ReadCache gets values that were read; it may be nil if nobody reads it.
	ReadCache *ReadCache
	// Supervise is the strategy for the namespaces.
	Supervise actor.SupervisorStrategy
}

// Limits bound the store. Zero fields mean the defaults.
type Limits struct {
	// Keys is the maximum number of keys of a namespace; 0 means 1000. Overwriting is
	// always allowed, and expired keys do not count.
	Keys int
	// Namespaces is the maximum number of namespaces; 0 means 1000.
	Namespaces int
	// NamespaceBytes, KeyBytes and ValueBytes bound the lengths; 0 means 256 bytes,
	// 1 KiB and 1 MiB.
	NamespaceBytes, KeyBytes, ValueBytes int
	// TotalBytes bounds everything together, including an overhead for every key and
	// every namespace; 0 means 256 MiB.
	TotalBytes int64
}

// withDefaults completes the limits. maxRecord is Options.MaxRecord.
func (l Limits) withDefaults(maxRecord int) Limits {
	l.Keys = positive(l.Keys, 1000)
	l.Namespaces = positive(l.Namespaces, 1000)
	l.NamespaceBytes = min(positive(l.NamespaceBytes, 256), largestName)
	l.KeyBytes = min(positive(l.KeyBytes, 1<<10), largestName)
	l.ValueBytes = min(positive(l.ValueBytes, 1<<20), largestValue, max(positive(maxRecord, 16<<20)-recordRoom, 0))
	if l.TotalBytes <= 0 {
		l.TotalBytes = 256 << 20
	}
	return l
}

func positive(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

const (
	// Upper bounds of ValueBytes, and of NamespaceBytes and KeyBytes.
	largestValue, largestName = 4 << 20, 64 << 10
	// recordRoom is reserved for what a commit holds in addition to one value: names,
	// and the removal of values that expire in the same step.
	recordRoom = 512 << 10
	// maxPendingBytes bounds the bytes of all changes that wait for the disk.
	maxPendingBytes = 64 << 20
	// The approximate memory of a key and of a namespace without their texts, in bytes.
	keyOverhead, namespaceOverhead = 256, 4 << 10
)

// refuses returns why a put can never be accepted, or no failure if it may be.
func (l Limits) refuses(in messages.PutValue) messages.Failure {
	switch {
	case in.Namespace == "":
		return rejected("the namespace is empty")
	case in.Key == "":
		return rejected("the key is empty")
	case len(in.Namespace) > l.NamespaceBytes:
		return tooLong("the name of the namespace", l.NamespaceBytes)
	case len(in.Key) > l.KeyBytes:
		return tooLong("the key", l.KeyBytes)
	case len(in.Value) > l.ValueBytes:
		return tooLong("the value", l.ValueBytes)
	case !utf8.ValidString(in.Namespace), !utf8.ValidString(in.Key), !utf8.ValidString(in.Value):
		return rejected("namespace, key and value have to be text in UTF-8")
	}
	return messages.Failure{}
}

func tooLong(what string, limit int) messages.Failure {
	return rejected(fmt.Sprintf("%s is longer than %d bytes", what, limit))
}

func rejected(text string) messages.Failure {
	return messages.Failure{Kind: messages.FailureRejected, Text: text}
}

// The other reasons to refuse a command.
var (
	errNoNamespace    = messages.Failure{Kind: messages.FailureNotFound, Text: "the namespace does not exist"}
	errNoKey          = messages.Failure{Kind: messages.FailureNotFound, Text: "the key does not exist"}
	errConflict       = messages.Failure{Kind: messages.FailureConflict, Text: "the key is not in the expected revision"}
	errNamespaceFull  = messages.Failure{Kind: messages.FailureFull, Text: "the namespace is full: it holds as many keys as keyValueStore.maxKeysPerNamespace allows"}
	errNamespacesFull = messages.Failure{Kind: messages.FailureFull, Text: "the store is full: there are as many namespaces as there may be"}
	errStoreFull      = messages.Failure{Kind: messages.FailureFull, Text: "the store is full: its values take as much memory as they may"}
	errBusy           = messages.Failure{Kind: messages.FailureBusy, Text: "too much waits for the disk"}
	errWatchers       = messages.Failure{Kind: messages.FailureBusy, Text: "the namespace has as many watchers as it can serve"}
	errGone           = messages.Failure{Kind: messages.FailureUnavailable, Text: "the namespace is being deleted"}
	errRestarted      = messages.Failure{Kind: messages.FailureUnavailable, Text: "the namespace was restarted before it was deleted"}
)

// pairCost is the part of Limits.TotalBytes that a key takes, in bytes.
func pairCost(key, value string) int64 { return int64(len(key)+len(value)) + keyOverhead }

// namespaceCost is the part that a namespace without keys takes, in bytes.
func namespaceCost(name string) int64 { return int64(len(name)) + namespaceOverhead }

// volatile is the ledger of a store in memory only; it stores nothing.
type volatile struct{}

func (volatile) Commit(_ []journal.Op, done func(error)) { done(nil) }

func (volatile) Get(journal.Bucket, string) ([]byte, bool, error) { return nil, false, nil }

func (volatile) Select(journal.Bucket, func(string) bool, func(string, []byte) bool) error {
	return nil
}
