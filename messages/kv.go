package messages

import (
	"time"
)

// The key-value store. Keys are grouped in namespaces:
//
//	api --PutValue, GetValue, DeleteValue, ListKeys--------------> kv --the same--> namespace
//	api --DeleteNamespace, WatchNamespace, ConfirmChanges, EndWatch-> kv --the same--> namespace
//	api <-...Reply------------------------------------------------ kv, namespace
//	api --ListNamespaces--> kv      watcher <--ValueChanged, WatchEnded-- namespace
//	                        kv <--NamespaceStarted, NamespaceEnded------- namespace
//
// Every command with a ReplyTo is answered once, after everything in the answer is on
// disk; it is not answered if the process crashes or ends. A namespace that does not exist
// is FailureNotFound. A watcher has a window, which is the number of changes that may be
// unconfirmed. ConfirmChanges confirms them; if the window is exceeded, the watch ends
// with WatchEnded.

// Condition is the condition of a put or a delete. The zero value always holds.
type Condition struct {
	Kind ConditionKind
	// Revision is the required revision of the key, for IfRevision.
	Revision uint64
}

// ConditionKind is the kind of a Condition.
type ConditionKind uint8

// The conditions of a change. One that does not hold is FailureConflict.
const (
	// IfAnything: always.
	IfAnything ConditionKind = iota
	// IfAbsent: the key does not exist.
	IfAbsent
	// IfRevision: the key exists and has exactly this revision.
	IfRevision
)

// LongestTTL is the maximum time to live. A longer one is reduced to it.
const LongestTTL = 100 * 365 * 24 * time.Hour

// PutValue stores a value. It creates the namespace if necessary, and replaces an existing
// value together with its time to live.
type PutValue struct {
	Namespace, Key, Value string
	// TTL is the time to live from when the command is handled, at most LongestTTL; zero
	// or negative means forever.
	TTL     time.Duration
	If      Condition
	ReplyTo Ref
}

// PutValueReply answers PutValue: the value is on disk, unless the store is in memory.
// FailureFull means that the namespace or the store has no room for another key,
// FailureRejected that a text is too long, empty or not valid.
type PutValueReply struct {
	// Revision is the revision of the value. Created reports that the key is new.
	Revision uint64
	Created  bool
	Failure  Failure
}

// GetValue asks for a value.
type GetValue struct {
	Namespace, Key string
	ReplyTo        Ref
}

// GetValueReply answers GetValue. If only the key does not exist, Found is false and
// there is no failure.
type GetValueReply struct {
	Found    bool
	Value    string
	Revision uint64
	// TTL is the remaining time to live; 0 means forever.
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

// WatchNamespace makes ReplyTo a watcher of the changes from now on. It replaces an
// existing watch of the same ReplyTo.
type WatchNamespace struct {
	Namespace string
	// Window is the maximum number of unconfirmed changes; 0 means the largest allowed.
	Window  int
	ReplyTo Ref
}

// WatchNamespaceReply answers WatchNamespace.
type WatchNamespaceReply struct {
	// Revision is that of the latest change that the watcher will not be sent. A watcher
	// that reads the namespace after this reply misses no change.
	Revision uint64
	Failure  Failure
}

// ConfirmChanges confirms that a watcher has handled all changes up to a revision.
type ConfirmChanges struct {
	Namespace string
	Watcher   Ref
	Through   uint64
}

// EndWatch removes a watcher from a namespace.
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

// ValueChanged notifies a watcher of a change that is on disk. The revisions of a
// namespace only increase, and a watcher is sent the changes in their order.
type ValueChanged struct {
	Namespace, Key string
	Change         Change
	// Value and TTL are set for a put.
	Value    string
	TTL      time.Duration
	Revision uint64
	At       time.Time
}

// WatchEnd is why a watch ended.
type WatchEnd string

// The ends of a watch.
const (
	// WatchMissed: the watcher was too slow, and changes were not sent to it.
	WatchMissed WatchEnd = "missed"
	// WatchDeleted: the namespace does not exist any more.
	WatchDeleted WatchEnd = "deleted"
	// WatchInterrupted: the namespace stops or restarts; changes may be missing.
	WatchInterrupted WatchEnd = "interrupted"
	// WatchRefused: the credentials of the watcher were revoked or have expired.
	WatchRefused WatchEnd = "refused"
)

// WatchEnded is the last message to a watcher.
type WatchEnded struct {
	Namespace string
	Reason    WatchEnd
}

// NamespaceStarted tells the directory of namespaces that a namespace is on disk. A
// namespace that was restarted sends it with the next Life, when it has restored its
// content.
type NamespaceStarted struct {
	ID   uint64
	Life int
}

// NamespaceEnded tells the directory of namespaces that a namespace is not, or no longer,
// on disk.
type NamespaceEnded struct{ ID uint64 }

// ExpiryDue tells a namespace that values may have expired.
type ExpiryDue struct{ At time.Time }
