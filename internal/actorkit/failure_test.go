package actorkit

import (
	"context"
	"errors"
	"testing"

	"butler/messages"
)

func TestFailureOf_readsWhatAnErrorSays(t *testing.T) {
	wrapped := classifiedError{messages.FailureInvalid}
	tests := []struct {
		name string
		err  error
		want messages.FailureKind
	}{
		{"none", nil, messages.FailureNone},
		{"a failure", messages.Failure{Kind: messages.FailureBusy}, messages.FailureBusy},
		{"a failure of no kind is a failure all the same", messages.Failure{}, messages.FailureUnavailable},
		{"an error that knows", errors.Join(errors.New("fetch"), wrapped), messages.FailureInvalid},
		{"an error that knows nothing", classifiedError{}, messages.FailureUnavailable},
		{"the end of the context", context.DeadlineExceeded, messages.FailureTimeout},
		{"anything else", errors.New("x"), messages.FailureUnavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := FailureOf(test.err).Kind; got != test.want {
				t.Errorf("kind = %v, want %v", got, test.want)
			}
		})
	}
}

type classifiedError struct{ kind messages.FailureKind }

func (c classifiedError) Error() string             { return "classified" }
func (c classifiedError) Failure() messages.Failure { return messages.Failure{Kind: c.kind} }
