package messages

import (
	"context"
	"errors"
)

// FailureOf converts an error of a port into a Failure. The error may be a Failure or
// have a method that returns one; any other error means that the other side is out of
// reach.
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
