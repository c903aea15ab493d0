package tryout

import (
	"context"
	"strings"
	"testing"

	"butler/internal/destination"
	"butler/messages"
)

// crashing is a destination with a bug.
type crashing struct{}

func (crashing) Deliver(context.Context, messages.Notice) (destination.Receipt, error) {
	panic("a bug")
}

func TestDeliver_returnsAPanicAsAnError(t *testing.T) {
	_, err := deliver(t.Context(), crashing{}, messages.Notice{})
	if err == nil || !strings.Contains(err.Error(), "a bug") {
		t.Errorf("want an error that tells of the bug, got %v", err)
	}
}

func TestDeliver_doesNothingAfterTheContextHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := deliver(ctx, crashing{}, messages.Notice{})
	if err == nil || !strings.Contains(err.Error(), "not tried") {
		t.Errorf("want it not to be tried, got %v", err)
	}
}
