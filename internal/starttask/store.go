package starttask

import (
	"context"
	"fmt"
	"net/http"

	"butler/messages"
)

// store stores the key-values. It returns false if one could not be stored: then no
// task may start, since it would read an old value.
func (j *job) store(ctx context.Context) bool {
	for _, kv := range j.request.KeyValues {
		pair := StoredPair{Namespace: kv.Namespace, Key: kv.Key, Status: "stored"}
		event := Event{Action: StoreValue, Outcome: Done, Namespace: brief(kv.Namespace), Key: brief(kv.Key)}
		failure := messages.Failure{}
		switch {
		case j.opts.KeyValues == nil:
			pair.Status, event.Outcome = "skipped", Skipped
			pair.Reason = "the endpoints of the key-value store are not enabled"
			j.warn("key-values were not stored: " + pair.Reason)
		case j.request.DryRun:
			pair.Status, event.Outcome = "wouldStore", Rehearsed
		default:
			failure = j.put(ctx, kv)
		}
		if failure.Failed() {
			pair.Status, pair.Reason, event.Outcome, event.Err = "failed", storeReason(failure), Failed, failure
		}
		event.Reason = pair.Reason
		j.answer.KeyValues = append(j.answer.KeyValues, pair)
		j.report(event)
		if failure.Failed() {
			message := fmt.Sprintf("the key %q of namespace %q could not be stored, so nothing was started: %s", brief(kv.Key), brief(kv.Namespace), pair.Reason)
			status := storeStatus(failure)
			j.refuse(status, failure.Kind, http.StatusText(status), message)
			return false
		}
	}
	return true
}

func (j *job) put(ctx context.Context, kv KeyValue) messages.Failure {
	ctx, cancel := context.WithTimeout(ctx, j.opts.CallTimeout)
	defer cancel()
	reply, err := j.opts.KeyValues.Put(ctx, messages.PutValue{Namespace: kv.Namespace, Key: kv.Key, Value: kv.Value, TTL: kv.TTL})
	if err != nil {
		return messages.FailureOf(err)
	}
	return reply.Failure
}

func storeStatus(f messages.Failure) int {
	switch f.Kind {
	case messages.FailureFull:
		return http.StatusInsufficientStorage
	case messages.FailureRejected:
		return http.StatusBadRequest
	case messages.FailureBusy, messages.FailureTimeout, messages.FailureUnavailable:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// storeReason describes a failure of the store to the caller. Details of internal
// errors are for the log.
func storeReason(f messages.Failure) string {
	switch f.Kind {
	case messages.FailureFull, messages.FailureRejected, messages.FailureBusy:
		return f.Text
	case messages.FailureTimeout:
		return "the key-value store did not answer in time; the pair may be stored all the same"
	default:
		return "the key-value store could not do it"
	}
}
