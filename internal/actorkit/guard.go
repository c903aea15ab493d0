package actorkit

import (
	"fmt"
	"runtime/debug"

	"go.uber.org/zap"

	"butler/messages"
)

// Guard makes an outside call and returns its failure. A panic is logged with its stack
// and is a failure of this call, instead of crashing the actor. what names the call.
func Guard(log *zap.Logger, what string, call func() error) (f messages.Failure) {
	defer func() {
		if cause := recover(); cause != nil {
			log.Error(what+" panicked", zap.Any("panic", cause), zap.ByteString("stack", debug.Stack()))
			f = messages.Failure{Kind: messages.FailureInvalid, Text: fmt.Sprint("a panic: ", cause)}
		}
	}()
	return messages.FailureOf(call())
}
