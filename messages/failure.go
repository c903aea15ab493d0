package messages

import (
	"context"
	"errors"
)

// FailureOf turns an error of a port into the value that travels in a message. An
// error says what it means by being a Failure, or by having a method that
// returns one; any other means that what is behind the port is out of reach.
func FailureOf(err error) Failure {
	if err == nil {
		return Failure{}
	}
	failure := Failure{Kind: FailureUnavailable, Text: err.Error()}
	var classified interface{ Failure() Failure }
	switch plain, ok := errors.AsType[Failure](err); {
	case ok && plain.Failed():
		failure = plain
	case errors.As(err, &classified) && classified.Failure().Failed():
		failure.Kind = classified.Failure().Kind
	case errors.Is(err, context.DeadlineExceeded):
		failure.Kind = FailureTimeout
	}
	return failure
}
