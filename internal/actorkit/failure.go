package actorkit

import (
	"context"
	"errors"

	"butler/messages"
)

// FailureOf turns an error of a port into the value that travels in a message. An
// error says what it means by being a messages.Failure, or by having a method
// that returns one; any other means that what is behind the port is out of reach.
func FailureOf(err error) messages.Failure {
	if err == nil {
		return messages.Failure{}
	}
	failure := messages.Failure{Kind: messages.FailureUnavailable, Text: err.Error()}
	var classified interface{ Failure() messages.Failure }
	switch plain, ok := errors.AsType[messages.Failure](err); {
	case ok && plain.Failed():
		failure = plain
	case errors.As(err, &classified) && classified.Failure().Failed():
		failure.Kind = classified.Failure().Kind
	case errors.Is(err, context.DeadlineExceeded):
		failure.Kind = messages.FailureTimeout
	}
	return failure
}
