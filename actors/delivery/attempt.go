package delivery

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"butler/internal/destination"
	"butler/internal/journal"
	"butler/internal/outbox"
	"butler/messages"
)

// attemptGrace is how long an attempt may take to return after its deadline.
const attemptGrace = time.Second

// sender makes the attempts of one instance. It outlives restarts of its actor
// and is safe for concurrent use.
type sender struct {
	built  destination.Built
	outbox *outbox.Outbox
	limit  int64
	// stuck counts attempts that were given up and have not returned.
	stuck atomic.Int64
}

// attempted is the outcome of a send, as a message to the actor.
type attempted struct {
	serial  uint64
	results []result
	sent    []sending
	// labels are metric labels: why a result is a failure, "" for an accepted one.
	labels []string
	// idle says why there was nothing to do for an accepted notice, "" if there was;
	// nil for a destination that is no Idler.
	idle []string
	// notices are the notices of the attempt; one that could not be read is zero.
	notices []messages.Notice
	// called reports that the destination was called at all.
	called bool
	// stack is where the destination crashed, "" when it did not.
	stack string
	at    time.Time
	took  time.Duration
}

// send reads the notices of an attempt and hands them to the destination.
func (s *sender) send(ctx context.Context, effect send) attempted {
	a := attempted{
		serial:  effect.serial,
		sent:    effect.notices,
		results: make([]result, len(effect.notices)),
		labels:  make([]string, len(effect.notices)),
		notices: make([]messages.Notice, len(effect.notices)),
	}
	places := make([]int, 0, len(effect.notices)) // of those that could be read
	for i, sending := range effect.notices {
		n := &a.notices[i]
		if err := s.outbox.Read(s.built.Instance.Name, sending.id, n); err != nil {
			*n = messages.Notice{}
			a.results[i], a.labels[i] = unreadable(err), "other"
			continue
		}
		n.SuppressedBefore = sending.suppressedBefore
		places = append(places, i)
	}
	started := time.Now()
	if len(places) > 0 {
		a.called = true
		got := s.bounded(ctx, pick(a.notices, places))
		for i, err := range got.errs {
			a.results[places[i]], a.labels[places[i]] = classify(err)
		}
		a.stack = got.stack
		a.askIdle(s.built.Destination)
	}
	a.at = time.Now()
	a.took = a.at.Sub(started)
	return a
}

// askIdle asks an Idler why there was nothing to do for each notice that it accepted.
// A panic changes no result, because the notices are delivered.
func (a *attempted) askIdle(d destination.Destination) {
	idler, ok := d.(destination.Idler)
	if !ok {
		return
	}
	defer func() {
		if recover() != nil {
			a.stack = string(debug.Stack())
		}
	}()
	a.idle = make([]string, len(a.notices))
	for i := range a.notices {
		if a.labels[i] == "" {
			a.idle[i] = idler.Idle(&a.notices[i])
		}
	}
}

// pick returns the notices at the given indices, which are in order.
func pick(notices []messages.Notice, places []int) []messages.Notice {
	if len(places) == len(notices) {
		return notices
	}
	out := make([]messages.Notice, 0, len(places))
	for _, i := range places {
		out = append(out, notices[i])
	}
	return out
}

// refused is the outcome of a send for which the pool had no slot.
func refused(effect send) attempted {
	a := attempted{serial: effect.serial, at: time.Now()}
	for range effect.notices {
		a.results = append(a.results, result{kind: resultNotCalled, err: "too many attempts are still ending"})
	}
	return a
}

// unreadable classifies an error of the outbox.
func unreadable(err error) result {
	if errors.Is(err, journal.ErrCorrupt) {
		return result{kind: resultUnreadable, err: err.Error()}
	}
	return result{kind: resultNotCalled, err: err.Error()}
}

// answer is the outcome of calling the destination.
type answer struct {
	// errs are one per notice, nil for an accepted one.
	errs []error
	// stack is where the destination crashed, "" when it did not.
	stack string
}

// bounded calls the destination and returns soon after the end of ctx, even if the
// destination does not. Such a call counts as stuck until it returns; while as many
// are stuck as may run at once, the destination is not called.
func (s *sender) bounded(ctx context.Context, batch []messages.Notice) answer {
	if stuck := s.stuck.Load(); stuck >= s.limit {
		return repeated(len(batch), fmt.Errorf("%d earlier attempts ignore their timeout and are still running", stuck))
	}
	answered := make(chan answer, 1)
	var settled atomic.Bool // set by whichever is first: the return of the call, or giving up on it
	go func() {
		got := s.call(ctx, batch)
		if !settled.CompareAndSwap(false, true) {
			s.stuck.Add(-1)
		}
		answered <- got
	}()
	select {
	case got := <-answered:
		return got
	case <-ctx.Done():
	}
	grace := time.NewTimer(attemptGrace)
	defer grace.Stop()
	select {
	case got := <-answered:
		return got
	case <-grace.C:
	}
	s.stuck.Add(1)
	if !settled.CompareAndSwap(false, true) {
		s.stuck.Add(-1)
		return <-answered
	}
	return repeated(len(batch), fmt.Errorf("destination ignores its timeout: %w", context.Cause(ctx)))
}

// call calls the destination and turns a panic into an error.
//
// A panic in a batch does not say which notice caused it, so each notice then gets
// a call of its own. What the destination accepted before the panic it gets twice,
// as after a crash of the process: delivery is at least once, and a BatchDeliverer
// has to store such a notice only once.
func (s *sender) call(ctx context.Context, batch []messages.Notice) (a answer) {
	many, ok := s.built.Destination.(destination.BatchDeliverer)
	if ok && len(batch) > 1 && a.together(ctx, many, batch) == nil {
		return a
	}
	a.errs = make([]error, len(batch))
	for i, n := range batch {
		if a.errs[i] = context.Cause(ctx); a.errs[i] == nil {
			a.errs[i] = a.single(ctx, s.built.Destination, n)
		}
	}
	return a
}

// together makes one call for all notices. Its error is a panic.
func (a *answer) together(ctx context.Context, to destination.BatchDeliverer, batch []messages.Notice) (err error) {
	defer a.recovered(&err)
	a.errs = to.DeliverBatch(ctx, batch)
	if len(a.errs) != len(batch) {
		*a = repeated(len(batch), fmt.Errorf("destination answered %d results for %d notices", len(a.errs), len(batch)))
	}
	return nil
}

// single makes a call for one notice.
func (a *answer) single(ctx context.Context, to destination.Destination, n messages.Notice) (err error) {
	defer a.recovered(&err)
	_, err = to.Deliver(ctx, n)
	return err
}

// recovered is deferred. It turns a panic into an error and notes the stack.
func (a *answer) recovered(err *error) {
	if cause := recover(); cause != nil {
		*err, a.stack = crash{cause}, string(debug.Stack())
	}
}

// crash is a panic of a destination or a template.
type crash struct{ cause any }

func (c crash) Error() string { return fmt.Sprintf("panic: %v", c.cause) }

// classify turns the error of an attempt into a result and the label of its failure.
func classify(err error) (result, string) {
	if err == nil {
		return result{kind: resultAccepted}, ""
	}
	if _, ok := errors.AsType[crash](err); ok {
		return result{kind: resultPanicked, err: err.Error()}, "panic"
	}
	kind, after := destination.KindOf(err)
	r := result{after: after, err: err.Error()}
	switch kind {
	case destination.DeferredKind:
		r.kind = resultDeferred
		return r, "server_error"
	case destination.ThrottledKind:
		r.kind = resultThrottled
		return r, "rate_limited"
	case destination.PermanentKind:
		r.kind = resultPermanent
		return r, "client_error"
	case destination.MisconfiguredKind:
		r.kind = resultMisconfigured
		return r, "auth_error"
	case destination.Transient:
	}
	r.kind = resultTransient
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return r, "timeout"
	case errors.Is(err, context.Canceled):
		return r, "canceled"
	default:
		return r, "server_error"
	}
}

// failureLabels are all labels that classify and send give.
func failureLabels() []string {
	return []string{
		"client_error", "server_error", "auth_error", "rate_limited", "timeout", "canceled", "panic", "other",
	}
}

// repeated returns an answer with the same error for n notices.
func repeated(n int, err error) answer { return answer{errs: slices.Repeat([]error{err}, n)} }
