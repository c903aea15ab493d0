package notify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"butler/internal/journal"
	"butler/internal/outbox"
	"butler/internal/trail"
	"butler/messages"
)

const (
	// parkAtOnce bounds the notices parked, or the windows forgotten, in one commit.
	parkAtOnce = 1000
	// scanTimeout bounds a scan of all notices.
	scanTimeout = 5 * time.Minute
	// scanAgainAfter is the pause after a scan that could not read everything.
	scanAgainAfter = time.Minute
)

// Messages of the actor to itself about notices of instances that are not configured.
type (
	// scanDue: all settlements of former instances are durable.
	scanDue struct{}
	// scanAgainDue: the pause after a failed scan is over.
	scanAgainDue struct{}
	scanned      struct {
		parked map[string]int
		err    error
	}
)

// parkUnconfigured parks the notices of instances that are not configured, and
// deletes their suppression windows. It returns the number of notices by instance, and
// calls ended for each that is parked durably, on the ledger's goroutine. The error is
// about instances whose notices could not be read.
func parkUnconfigured(o *outbox.Outbox, configured func(instance string) bool, now time.Time,
	ended func(messages.NoticeSettled),
) (map[string]int, error) {
	instances, err := o.Instances()
	if err != nil {
		return nil, err
	}
	parked, unread := map[string]int{}, error(nil)
	for instance := range instances {
		if configured(instance) {
			continue
		}
		backlog, err := o.Load(instance)
		if err != nil {
			unread = errors.Join(unread, err)
			continue
		}
		var outcomes []outbox.Outcome
		for _, w := range backlog.Waiting {
			outcomes = append(outcomes, unconfigured(instance, w.ID, w.Attempts))
		}
		for id := range backlog.Unreadable {
			outcomes = append(outcomes, unconfigured(instance, id, 0))
		}
		place := outbox.Place{Integration: integrationOf(instance), Instance: instance}
		settle := func(s outbox.Settlement) {
			s.At = now
			// After an error - the ledger is closed, or a notice cannot be read for now - the
			// next scan finds them again.
			o.Settle(place, s, func(parked []messages.NoticeSettled, err error) {
				if err != nil && !errors.Is(err, outbox.ErrStillWaits) {
					return
				}
				for _, end := range parked {
					ended(end)
				}
			})
		}
		// Before each commit once more: a delivery that has started meanwhile has loaded the rest.
		for chunk := range slices.Chunk(outcomes, parkAtOnce) {
			if configured(instance) {
				break
			}
			settle(outbox.Settlement{Outcomes: chunk})
			parked[instance] += len(chunk)
		}
		for chunk := range slices.Chunk(slices.Collect(maps.Keys(backlog.Windows)), parkAtOnce) {
			if configured(instance) {
				break
			}
			settle(outbox.Settlement{Forgotten: chunk})
		}
	}
	return parked, unread
}

func unconfigured(instance string, id messages.NoticeID, attempts int) outbox.Outcome {
	return outbox.Outcome{
		ID: id, Ended: messages.NoticeParked, Attempts: attempts, Cause: outbox.Unconfigured,
		Reason: fmt.Sprintf("destination instance %s is not configured any more", instance),
	}
}

// integrationOf returns the integration of an instance that is not configured any
// more: the first part of its name.
func integrationOf(instance string) string {
	integration, _, _ := strings.Cut(instance, "/")
	return integration
}

// replayed is the outcome of a replay.
type replayed struct {
	results []messages.ParkedResult
	replyTo messages.Ref
}

// replay puts parked notices back among the waiting ones, and announces each when
// that is durable. Those of an instance that is not configured stay parked.
func replay(ctx context.Context, o *outbox.Outbox, configured func(instance string) bool,
	announce func(messages.NoticeHead), cmd messages.ReplayParked,
) replayed {
	return replayed{replyTo: cmd.ReplyTo, results: each(ctx, cmd.IDs, func(id messages.NoticeID) messages.Failure {
		at, err := o.ParkedAt(id)
		if err == nil && !configured(at.Instance) {
			return messages.Failure{
				Kind: messages.FailureRejected,
				Text: fmt.Sprintf("destination instance %s is not configured: put it back under that name, or drop what is parked for it", at.Instance),
			}
		}
		if err == nil {
			err = o.Replay(ctx, id, time.Now(), announce)
		}
		return failure(err)
	})}
}

// drop removes parked notices for good.
func drop(ctx context.Context, o *outbox.Outbox, steps *trail.Trail, cmd messages.DropParked) dropped {
	out := dropped{replyTo: cmd.ReplyTo}
	out.results = each(ctx, cmd.IDs, func(id messages.NoticeID) messages.Failure {
		was, err := o.Drop(ctx, id)
		if err == nil {
			out.gone = append(out.gone, was)
			steps.Write(trail.NewDrop(&was, time.Now(), trail.ByOperator))
		}
		return failure(err)
	})
	return out
}

// each calls do for one notice after the other. After the end of ctx the remaining
// ones get errNoTime.
func each(ctx context.Context, ids []messages.NoticeID, do func(messages.NoticeID) messages.Failure) []messages.ParkedResult {
	results := make([]messages.ParkedResult, 0, len(ids))
	for _, id := range ids {
		result := messages.ParkedResult{ID: id, Failure: errNoTime}
		if ctx.Err() == nil {
			result.Failure = do(id)
		}
		results = append(results, result)
	}
	return results
}

var errNoTime = messages.Failure{Kind: messages.FailureTimeout, Text: "it is left as it is: there was no time for it"}

// dropped is the outcome of a drop.
type dropped struct {
	results []messages.ParkedResult
	// gone are the notices that were dropped.
	gone    []outbox.Parked
	replyTo messages.Ref
}

// failure classifies an error of the outbox for the caller.
func failure(err error) messages.Failure {
	if err == nil {
		return messages.Failure{}
	}
	f := messages.Failure{Kind: messages.FailureUnavailable, Text: err.Error()}
	switch {
	case errors.Is(err, outbox.ErrNotParked):
		f.Kind = messages.FailureNotFound
	case errors.Is(err, journal.ErrCorrupt):
		f.Kind = messages.FailureRejected
	case errors.Is(err, context.DeadlineExceeded):
		f.Kind = messages.FailureTimeout
	}
	return f
}

// busy returns the results of a command that could not be started.
func busy(ids []messages.NoticeID) []messages.ParkedResult {
	results := make([]messages.ParkedResult, 0, len(ids))
	for _, id := range ids {
		results = append(results, messages.ParkedResult{ID: id, Failure: messages.Failure{
			Kind: messages.FailureBusy, Text: "too many commands at once",
		}})
	}
	return results
}
