package messages

import (
	"time"
)

// Keeping values for others, in namespaces:
//
//	api --PutValue, GetValue, DeleteValue, ListKeys--------------> kv --the same--> namespace
//	api --DeleteNamespace, WatchNamespace, ConfirmChanges, EndWatch-> kv --the same--> namespace
//	api <-...Reply------------------------------------------------ kv, namespace
//	api --ListNamespaces--> kv      watcher <--ValueChanged, WatchEnded-- namespace
//	                        kv <--NamespaceStarted, NamespaceEnded------- namespace
//
// Every command with a ReplyTo is answered once, and not before what the answer
// tells is on disk; only a crash or the end of the process leaves one without.
// A namespace that does not exist is FailureNotFound. A watcher has credit for
// as many changes as its window says, and gets it back with ConfirmChanges: one
// that falls behind is told so by WatchEnded and forgotten.

// Condition says when a put or a delete is to happen. The zero value is always.
type Condition struct {
	Kind ConditionKind
	// Revision is what the key must have under IfRevision.
	Revision uint64
}

// ConditionKind is what a Condition asks for.
type ConditionKind uint8

// The conditions of a change. One that does not hold is FailureConflict.
const (
	// IfAnything: whatever is there.
	IfAnything ConditionKind = iota
	// IfAbsent: the key does not exist.
	IfAbsent
	// IfRevision: the key exists in exactly this revision.
	IfRevision
)

// LongestTTL is what a longer time to live is cut to.
const LongestTTL = 100 * 365 * 24 * time.Hour

// PutValue stores a value, in a namespace that comes into being if need be. It
// replaces an earlier one together with its time to live.
type PutValue struct {
	Namespace, Key, Value string
	// TTL is how long the value lives, from the moment it is taken up; 0 and less
	// mean for ever, and more than LongestTTL that.
	TTL     time.Duration
	If      Condition
	ReplyTo Ref
}

// PutValueReply answers PutValue: the value is on disk, unless the store keeps
// nothing there. FailureFull is a namespace or a store without room for another
// key, FailureRejected what is too long, empty or no text.
type PutValueReply struct {
	// Revision is that of the value, Created whether the key is new.
	Revision uint64
	Created  bool
	Failure  Failure
}

// GetValue asks for a value.
type GetValue struct {
	Namespace, Key string
	ReplyTo        Ref
}

// GetValueReply answers GetValue. A key that is unknown in a namespace that is
// known is no failure, only not found.
type GetValueReply struct {
	Found    bool
	Value    string
	Revision uint64
	// TTL is how long it goes on living; 0 is for ever.
	TTL     time.Duration
	Failure Failure
}

// DeleteValue removes a key. An unknown one is FailureNotFound.
type DeleteValue struct {
	Namespace, Key string
	If             Condition
	ReplyTo        Ref
}

// DeleteValueReply answers DeleteValue.
type DeleteValueReply struct{ Failure Failure }

// ListKeys asks for the keys of a namespace.
type ListKeys struct {
	Namespace string
	ReplyTo   Ref
}

// ListKeysReply answers ListKeys.
type ListKeysReply struct {
	// Keys are in the order in which they were first put. Frozen.
	Keys    []string
	Failure Failure
}

// ListNamespaces asks for the names of all namespaces.
type ListNamespaces struct{ ReplyTo Ref }

// ListNamespacesReply answers ListNamespaces.
type ListNamespacesReply struct {
	// Namespaces are in the order of their creation. Frozen.
	Namespaces []string
}

// DeleteNamespace removes a namespace with everything in it.
type DeleteNamespace struct {
	Namespace string
	ReplyTo   Ref
}

// DeleteNamespaceReply answers DeleteNamespace.
type DeleteNamespaceReply struct{ Failure Failure }

// WatchNamespace makes ReplyTo a watcher of a namespace, from now on; one that
// watches it already begins anew.
type WatchNamespace struct {
	Namespace string
	// Window is how many changes may be unconfirmed; 0 means the largest there is.
	Window  int
	ReplyTo Ref
}

// WatchNamespaceReply answers WatchNamespace.
type WatchNamespaceReply struct {
	// Revision is that of the latest change which the watcher is not told of: whoever
	// reads the namespace after this reply misses nothing.
	Revision uint64
	Failure  Failure
}

// ConfirmChanges says that a watcher has dealt with all changes up to a revision.
type ConfirmChanges struct {
	Namespace string
	Watcher   Ref
	Through   uint64
}

// EndWatch makes a namespace forget a watcher.
type EndWatch struct {
	Namespace string
	Watcher   Ref
}

// Change is what happened to a key.
type Change string

// The changes of a key.
const (
	ChangePut     Change = "put"
	ChangeDeleted Change = "deleted"
	ChangeExpired Change = "expired"
)

// ValueChanged tells a watcher of a change that is on disk. Revisions of one
// namespace only grow, and a watcher is told of the changes in their order.
type ValueChanged struct {
	Namespace, Key string
	Change         Change
	// Value and TTL are those of a put.
	Value    string
	TTL      time.Duration
	Revision uint64
	At       time.Time
}

// WatchEnd is why a watch ended.
type WatchEnd string

// The ends of a watch.
const (
	// WatchMissed: the watcher was too slow and there were changes it was not told of.
	WatchMissed WatchEnd = "missed"
	// WatchDeleted: the namespace does not exist any more.
	WatchDeleted WatchEnd = "deleted"
	// WatchInterrupted: the namespace stops or restarts; changes may be missing.
	WatchInterrupted WatchEnd = "interrupted"
)

// WatchEnded is the last that a watcher is told.
type WatchEnded struct {
	Namespace string
	Reason    WatchEnd
}

// NamespaceStarted tells the owner of the namespaces that one is on disk. One
// that was restarted says so with its next life, when it knows again what it held.
type NamespaceStarted struct {
	ID   uint64
	Life int
}

// NamespaceEnded tells the owner of the namespaces that one is not on disk, or not any more.
type NamespaceEnded struct{ ID uint64 }

// ExpiryDue tells a namespace that values have come to their end.
type ExpiryDue struct{ At time.Time }
