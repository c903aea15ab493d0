package app

import (
	"context"
	"strings"
	"time"

	"butler/actors/execution"
	"butler/actors/executions"
	"butler/internal/destination"
	"butler/internal/tryout"
	"butler/messages"
)

// maxAlerts bounds a list of stored alerts, as each may be large.
const maxAlerts = 20

// Alerts implements operations.Admin.
func (d admin) Alerts(ctx context.Context, id string) (any, error) {
	received, err := d.gen.archive().Received(ctx, id, maxAlerts)
	if err != nil {
		return nil, err
	}
	events := make([]messages.PlacedEvent, 0, len(received))
	for _, r := range received {
		events = append(events, messages.PlacedEvent{At: r.Place, Key: messages.ExecutionKey(id), Event: r.Event})
	}
	keys := map[messages.ExecutionKey]bool{}
	for _, e := range events {
		keys[e.Key], keys[executions.EventKey(e.At)] = true, true
	}
	stored, err := d.gen.outbox.Alerts(func(k messages.ExecutionKey) bool { return keys[k] || strings.EqualFold(string(k), id) })
	if err != nil {
		return nil, err
	}
	out, known := []tryout.StoredAlert{}, map[messages.AlertKind]bool{}
	for _, s := range stored {
		from := tryout.FromWaiting
		if s.Parked {
			from = tryout.FromParked
		}
		out, known[s.Alert.Kind] = append(out, tryout.StoredAlert{From: from, Alert: s.Alert}), true
	}
	for _, e := range events {
		if a, ok := degradedAlert(e, d.gen.cfg.Execution().DegradedAfter); ok && !known[a.Kind] {
			out, known[a.Kind] = append(out, tryout.StoredAlert{From: tryout.FromEvent, Alert: a}), true
		}
	}
	return out[:min(len(out), maxAlerts)], nil
}

// degradedAlert returns the alert that an event leads to when the repository never
// answers. It is false for an event that leads to none. It runs the state machine of
// executions and answers none of its look-ups.
func degradedAlert(e messages.PlacedEvent, degradedAfter time.Duration) (messages.Alert, bool) {
	m := execution.NewMachine(execution.Rules{Router: carryAll{}, DegradedAfter: degradedAfter, FollowFor: degradedAfter}, messages.Ref{})
	waiting := m.Observe(e.Event.At, &messages.TaskEventObserved{PlacedEvent: e}, nil)
	for len(waiting) > 0 {
		next := waiting[0]
		waiting = waiting[1:]
		switch effect := next.(type) {
		case *execution.Report:
			if effect.Outcome == execution.OutcomeNobodyNotified {
				return *effect.Alert, true
			}
		case execution.Arm:
			switch effect.Message.(type) {
			case messages.DegradeDue, messages.GiveUpDue:
				waiting = append(waiting, m.Handle(effect.At, effect.Message)...)
			}
		}
	}
	return messages.Alert{}, false
}

// carryAll is a router that carries every alert and has no destinations.
type carryAll struct{}

func (carryAll) Carries(*messages.Alert) bool                  { return true }
func (carryAll) NeedsOf(*messages.Alert) (n destination.Needs) { return n }
func (carryAll) Route(*messages.Alert, bool, time.Time) ([]messages.NoticeHead, []destination.Omission) {
	return nil, nil
}
