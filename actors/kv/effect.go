package kv

import (
	"time"

	"butler/internal/journal"
	"butler/messages"
)

// effect is an action that the directory or the machine of a namespace requests.
type effect interface{ effect() }

// reply answers a command.
type reply struct {
	op      operation
	to      messages.Ref
	message any
	// failed is the kind of failure in message.
	failed messages.FailureKind
}

// send sends a message to a watcher.
type send struct {
	to      messages.Ref
	message any
}

// commit changes the ledger. Once it is durable the machine gets committed{n}, unless
// n is 0.
type commit struct {
	n   uint64
	ops []journal.Op
}

// cachePut puts a value into the read cache, cacheRemove removes it, and cacheRemoveAll
// removes all values of the namespace.
type (
	cachePut struct {
		key   string
		value cachedValue
	}
	cacheRemove    struct{ key string }
	cacheRemoveAll struct{}
)

// arm replaces the timer of a namespace.
type arm struct{ at time.Time }

// tell sends a message about this namespace to the front.
type tell struct{ message any }

// expired counts expired values in the metrics.
type expired struct{ count int }

// Effects of the directory: spawn starts the actor of a namespace, with the memory
// reserved for its first put; forward sends it a command; stop ends it.
type (
	spawn struct {
		id       uint64
		name     string
		reserved int64
	}
	forward struct {
		id      uint64
		command any
	}
	stop struct{ id uint64 }
)

func (reply) effect()          {}
func (send) effect()           {}
func (commit) effect()         {}
func (cachePut) effect()       {}
func (cacheRemove) effect()    {}
func (cacheRemoveAll) effect() {}
func (arm) effect()            {}
func (tell) effect()           {}
func (expired) effect()        {}
func (spawn) effect()          {}
func (forward) effect()        {}
func (stop) effect()           {}

// operation is a kind of command, as counted in the metrics.
type operation uint8

const (
	opPut operation = iota
	opGet
	opDelete
	opList
	opListNamespaces
	opDeleteNamespace
	opWatch
	operationCount
)

var operationNames = [operationCount]string{"put", "get", "delete", "list", "list_namespaces", "delete_namespace", "watch"}

// namespaceOf returns the namespace that a command is about.
func namespaceOf(command any) (string, bool) {
	switch in := command.(type) {
	case messages.PutValue:
		return in.Namespace, true
	case messages.GetValue:
		return in.Namespace, true
	case messages.DeleteValue:
		return in.Namespace, true
	case messages.ListKeys:
		return in.Namespace, true
	case messages.DeleteNamespace:
		return in.Namespace, true
	case messages.WatchNamespace:
		return in.Namespace, true
	case messages.ConfirmChanges:
		return in.Namespace, true
	case messages.EndWatch:
		return in.Namespace, true
	}
	return "", false
}

// refusal returns the answer that refuses a command; false if it has no answer.
func refusal(command any, why messages.Failure) (reply, bool) {
	switch in := command.(type) {
	case messages.PutValue:
		return reply{opPut, in.ReplyTo, messages.PutValueReply{Failure: why}, why.Kind}, true
	case messages.GetValue:
		return reply{opGet, in.ReplyTo, messages.GetValueReply{Failure: why}, why.Kind}, true
	case messages.DeleteValue:
		return reply{opDelete, in.ReplyTo, messages.DeleteValueReply{Failure: why}, why.Kind}, true
	case messages.ListKeys:
		return reply{opList, in.ReplyTo, messages.ListKeysReply{Failure: why}, why.Kind}, true
	case messages.DeleteNamespace:
		return reply{opDeleteNamespace, in.ReplyTo, messages.DeleteNamespaceReply{Failure: why}, why.Kind}, true
	case messages.WatchNamespace:
		return reply{opWatch, in.ReplyTo, messages.WatchNamespaceReply{Failure: why}, why.Kind}, true
	}
	return reply{}, false
}
