package qrsgate

import (
	"time"

	"butler/internal/qlik"
	"butler/messages"
)

// The effects, in the order they are to be performed.
type (
	effect interface{ isEffect() }
	// sendReply answers a command. Together says that the asker wants what is answered
	// at one time as one message.
	sendReply struct {
		To       messages.Ref
		Message  any
		Together bool
	}
	// shelve lays an answer from memory on the shelf.
	shelve struct{ Reply messages.LookupTaskReply }
	// startCall calls the QRS; its outcome comes back with the same ID.
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
		// Result is what everybody who waits for the script log knows of its execution.
		Result  messages.Execution
		Timeout time.Duration
	}
	// tellHealth tells that the QRS came within reach, or went out of it.
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

func (sendReply) isEffect()  {}
func (shelve) isEffect()     {}
func (startCall) isEffect()  {}
func (tellHealth) isEffect() {}
func (countCache) isEffect() {}

// The results of asking a cache, a label from a closed set.
const (
	cacheHit   = "hit"
	cacheStale = "stale"
	cacheMiss  = "miss"
)
