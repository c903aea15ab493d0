package notify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"butler/internal/actorkit"
	"butler/internal/destination"
	"butler/internal/logx"
	"butler/internal/outbox"
	"butler/internal/trail"
	"butler/messages"
)

// Notices without a configured instance are parked.

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

// requestScan starts a scan as soon as everything that was settled before is durable.
func (a *notify) requestScan(ctx actor.Context) {
	if a.scanning {
		a.scanAgain = true
		return
	}
	a.scanning = true
	post := actorkit.Poster(ctx)
	a.opts.Outbox.Barrier(func(err error) {
		if err == nil {
			post(scanDue{})
		}
	})
}

// scan parks the notices of instances that are not configured. An instance whose
// delivery actor is still running is left to that; its end requests another scan.
func (a *notify) scan(ctx actor.Context) {
	o, running := a.opts.Outbox, map[string]bool{}
	steps, onParked := a.opts.Trail, a.opts.OnParked
	ended := func(end messages.NoticeSettled) {
		if !end.Kind.Reading() {
			steps.Write(trail.NewEnd(end))
		}
		if onParked != nil {
			onParked(end, outbox.Unconfigured)
		}
	}
	for instance := range a.children {
		running[instance] = true
	}
	unless := func(instance string, do func()) bool { return !running[instance] && a.known.unless(instance, do) }
	started := a.scans.Run(ctx, scanTimeout, func(context.Context) any {
		parked, err := parkUnconfigured(o, unless, time.Now(), ended)
		return scanned{parked: parked, err: err}
	})
	if !started {
		a.scanning = false
		a.scanLater(ctx)
	}
}

// scanLater starts a scan after a pause.
func (a *notify) scanLater(ctx actor.Context) {
	a.nextScan.Stop()
	a.nextScan = actorkit.After(ctx, scanAgainAfter, scanAgainDue{})
}

func (a *notify) scanEnded(ctx actor.Context, msg scanned) {
	for instance, n := range msg.parked {
		a.log.Error("alerts parked: their destination is not configured any more",
			logx.Destination(instance), logx.Count(n))
	}
	a.health.recount()
	a.scanning = false
	if msg.err != nil { // no reason to fail: the deliveries would end with this actor
		a.log.Warn("notices of destinations that are not configured any more cannot be read, trying again",
			logx.Delay(scanAgainAfter), logx.Err(msg.err))
		a.scanLater(ctx)
	}
	if a.scanAgain {
		a.scanAgain = false
		a.requestScan(ctx)
	}
}

// known are the configured instances, for what runs beside the actor.
type known struct {
	mu    sync.RWMutex
	built map[string]destination.Built // replaced, never changed
}

// set waits for one settlement of a scan at most (ADR 4).
func (k *known) set(built map[string]destination.Built) {
	k.mu.Lock()
	k.built = built
	k.mu.Unlock()
}

// has reports whether an instance is configured at this moment.
func (k *known) has(instance string) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	_, ok := k.built[instance]
	return ok
}

// unless calls do if an instance is not configured, and reports whether it has. No
// configuration with that instance comes into force meanwhile.
func (k *known) unless(instance string, do func()) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if _, ok := k.built[instance]; ok {
		return false
	}
	do()
	return true
}

// parkUnconfigured parks the notices of instances that are not configured, and
// deletes their suppression windows. It returns the number of notices by instance, and
// calls ended for each that is parked durably, on the ledger's goroutine. The error is
// about instances whose notices could not be read.
func parkUnconfigured(o *outbox.Outbox, unless func(instance string, do func()) bool, now time.Time,
	ended func(messages.NoticeSettled),
) (map[string]int, error) {
	instances, err := o.Instances()
	if err != nil {
		return nil, err
	}
	parked, unread := map[string]int{}, error(nil)
	for instance := range instances {
		if !unless(instance, func() {}) {
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
		// Each commit is made before a delivery can start that would load what it is about.
		for chunk := range slices.Chunk(outcomes, parkAtOnce) {
			if !unless(instance, func() { settle(outbox.Settlement{Outcomes: chunk}) }) {
				break
			}
			parked[instance] += len(chunk)
		}
		for chunk := range slices.Chunk(slices.Collect(maps.Keys(backlog.Windows)), parkAtOnce) {
			if !unless(instance, func() { settle(outbox.Settlement{Forgotten: chunk}) }) {
				break
			}
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
