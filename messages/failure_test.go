package messages

import (
	"context"
	"errors"
	"testing"
)

func TestFailureOf_classifiesErrors(t *testing.T) {
	wrapped := classifiedError{FailureInvalid}
	tests := []struct {
		name string
		err  error
		want FailureKind
	}{
		{"none", nil, FailureNone},
		{"a failure", Failure{Kind: FailureBusy}, FailureBusy},
		{"a failure of no kind is a failure all the same", Failure{}, FailureUnavailable},
		{"an error that knows", errors.Join(errors.New("fetch"), wrapped), FailureInvalid},
		{"an error that knows nothing", classifiedError{}, FailureUnavailable},
		{"the end of the context", context.DeadlineExceeded, FailureTimeout},
		{"anything else", errors.New("x"), FailureUnavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := FailureOf(test.err).Kind; got != test.want {
				t.Errorf("kind = %v, want %v", got, test.want)
			}
		})
	}
}

type classifiedError struct{ kind FailureKind }

func (c classifiedError) Error() string    { return "classified" }
func (c classifiedError) Failure() Failure { return Failure{Kind: c.kind} }
