package qrsgate

import (
	"time"

	"butler/internal/qlik"
	"butler/messages"
)

// The effects, in the order they are to be performed.
type (
	effect interface{ isEffect() }
	// sendReply answers a command. Together says that the asker wants the replies of
	// one step in one message.
	sendReply struct {
		To       messages.Ref
		Question uint64
		Message  any
		Together bool
	}
	// readCachePut adds an answer to the read cache.
	readCachePut struct{ Reply messages.LookupTaskReply }
	// startCall calls the QRS. It is answered with callFinished and the same ID.
	startCall struct {
		ID       callID
		Op       operation
		IDs      []string
		TaskType qlik.TaskType
		// Attempt counts the calls of this look-up, the first of which was at Began.
		Attempt int
		Began   time.Time
		// Full asks for the whole script log as one text.
		Full bool
		// Result is the execution result that all who wait for the script log know.
		Result  messages.Execution
		Timeout time.Duration
	}
	// cancelCalls ends the running calls without an outcome.
	cancelCalls struct{}
	// tellHealth reports that the QRS has become reachable or unreachable.
	tellHealth struct {
		Up     bool
		Reason string
	}
	// countCache counts the use of a cache.
	countCache struct {
		Op     operation
		Result string
	}
)

func (sendReply) isEffect()    {}
func (readCachePut) isEffect() {}
func (startCall) isEffect()    {}
func (cancelCalls) isEffect()  {}
func (tellHealth) isEffect()   {}
func (countCache) isEffect()   {}

// The results of a cache look-up, as metric labels.
const (
	cacheHit   = "hit"
	cacheStale = "stale"
	cacheMiss  = "miss"
)
