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

// waiting is a destination that does not answer.
type waiting struct{}

func (waiting) Deliver(ctx context.Context, _ messages.Notice) (destination.Receipt, error) {
	<-ctx.Done()
	return destination.Receipt{}, ctx.Err()
}

func TestAttempt_blamesNoDestinationForAnInterruption(t *testing.T) {
	for _, d := range []destination.Destination{waiting{}, crashing{}} {
		ctx, interrupt := context.WithCancel(t.Context())
		interrupt()
		got := Options{}.attempt(ctx, destination.Built{Destination: d}, messages.Notice{})
		if got.Result != Failed || got.Problem != "interrupted" || strings.Contains(got.Remedy+got.Reason, "address") || strings.Contains(got.Reason, "time limit") {
			t.Errorf("want it said that it was interrupted, got %+v", got)
		}
	}
	ctx, end := context.WithTimeout(t.Context(), 0)
	defer end()
	if got := (Options{}).attempt(ctx, destination.Built{Destination: waiting{}}, messages.Notice{}); got.Problem == "interrupted" || !strings.Contains(got.Reason, "time limit") {
		t.Errorf("want the time limit told, got %+v", got)
	}
}
