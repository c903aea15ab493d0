package actorkit

import (
	"fmt"
	"runtime/debug"

	"go.uber.org/zap"

	"butler/messages"
)

// Guard makes a call that an actor has sent outside. A panic in it stays a
// failure of this one call, and is logged with its stack; what names the call.
func Guard(log *zap.Logger, what string, call func() error) (f messages.Failure) {
	defer func() {
		if cause := recover(); cause != nil {
			log.Error(what+" panicked", zap.Any("panic", cause), zap.ByteString("stack", debug.Stack()))
			f = messages.Failure{Kind: messages.FailureInvalid, Text: fmt.Sprint("a panic: ", cause)}
		}
	}()
	return messages.FailureOf(call())
}
