package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"butler/api/operations"
	"butler/internal/destination"
	"butler/internal/logx"
	"butler/internal/outbox"
	"butler/messages"
)

// admin implements operations.Admin, the administration behind the operations server.
type admin struct{ gen *generation }

// Destinations implements operations.Admin.
func (d admin) Destinations(ctx context.Context) ([]operations.Destination, error) {
	states, err := d.gen.deliveryStates(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]operations.Destination, 0, len(states))
	for _, s := range states {
		out = append(out, operations.Destination(s))
	}
	return out, nil
}

// deliveryStates describes the delivery through every destination instance.
func (g *generation) deliveryStates(ctx context.Context) ([]messages.DeliveryState, error) {
	reply, err := ask[messages.DescribeDeliveryReply](ctx, g.kit, g.pids.notify, func(to messages.Ref) any {
		return messages.DescribeDelivery{ReplyTo: to}
	})
	return reply.States, err
}

// Parked implements operations.Admin.
func (d admin) Parked(_ context.Context, instance string, limit int) ([]operations.ParkedNotice, error) {
	parked, err := d.parkedOf(instance, limit)
	return parkedList(parked), err
}

// parkedOf lists the parked notices of an instance, of all instances of a
// destination, or of all for "". A name that means none of those that are
// configured, or have something parked, is an error.
func (d admin) parkedOf(name string, limit int) ([]outbox.Parked, error) {
	parked, err := d.gen.outbox.Parked(outbox.ParkedFilter{Destination: name, Limit: limit})
	if err != nil || name == "" || len(parked) > 0 {
		return parked, err
	}
	table := d.gen.table
	if table == nil { // the service does not run
		if len(d.gen.cfg.Ignored()) > 0 {
			return nil, nil // it may be one that cannot be built without the secrets of the service
		}
		if table, err = d.gen.storedTable(); err != nil {
			return nil, err
		}
		defer table.Close()
	}
	known := slices.Collect(maps.Keys(d.gen.outbox.ParkedCounts()))
	for _, b := range table.Built() {
		known = append(known, outbox.Place{Integration: b.Instance.Integration, Instance: b.Instance.Name})
	}
	names := []string{}
	for _, place := range known {
		if place.Named(name) {
			return nil, nil
		}
		names = append(names, place.Instance)
	}
	slices.Sort(names)
	return nil, operations.DestinationError{Err: destination.UnknownName(name, slices.Compact(names))}
}

// parkedList converts parked notices to their JSON form.
func parkedList(parked []outbox.Parked) []operations.ParkedNotice {
	out := make([]operations.ParkedNotice, 0, len(parked))
	for _, p := range parked {
		out = append(out, operations.ParkedNotice{
			ID: string(p.ID), Alert: string(p.Kind), ExecutionID: string(p.Key), TaskName: p.TaskName,
			Destination: p.Instance, Recipient: p.Recipient, Cause: string(p.Cause), Reason: p.Reason,
			Attempts: p.Attempts, QueuedAt: p.QueuedAt, ParkedAt: p.ParkedAt,
		})
	}
	return out
}

// ReplayParked implements operations.Admin.
func (d admin) ReplayParked(ctx context.Context, instance string, ids []string) (int, error) {
	targets, err := d.targets(instance, ids)
	if err != nil || len(targets) == 0 {
		return 0, err
	}
	reply, err := ask[messages.ReplayParkedReply](ctx, d.gen.kit, d.gen.pids.notify, func(to messages.Ref) any {
		return messages.ReplayParked{IDs: targets, ReplyTo: to}
	})
	if err != nil {
		return 0, err
	}
	return d.count("parked notices replayed", reply.Results)
}

// DropParked implements operations.Admin.
func (d admin) DropParked(ctx context.Context, instance string, ids []string) (int, error) {
	targets, err := d.targets(instance, ids)
	if err != nil || len(targets) == 0 {
		return 0, err
	}
	reply, err := ask[messages.DropParkedReply](ctx, d.gen.kit, d.gen.pids.notify, func(to messages.Ref) any {
		return messages.DropParked{IDs: targets, ReplyTo: to}
	})
	if err != nil {
		return 0, err
	}
	return d.count("parked notices dropped", reply.Results)
}

// targets returns ids as notice IDs, or without ids all parked notices of an instance
// or a destination; "" stands for all.
func (d admin) targets(instance string, ids []string) ([]messages.NoticeID, error) {
	var out []messages.NoticeID
	for _, id := range ids {
		out = append(out, messages.NoticeID(id))
	}
	if len(out) > 0 {
		return out, nil
	}
	parked, err := d.parkedOf(instance, 0)
	for _, p := range parked {
		out = append(out, p.ID)
	}
	return out, err
}

// count logs what was done, and returns how many of the results succeeded and the
// failures of the others as an operations.PartlyError.
func (d admin) count(what string, results []messages.ParkedResult) (int, error) {
	done := 0
	var failed failedNotices
	for _, r := range results {
		if r.Failure.Failed() {
			failed.add(r.ID, r.Failure.Text)
			continue
		}
		done++
	}
	err := failed.err()
	d.gen.log.Info(what, logx.Count(done), logx.Err(err))
	if err != nil {
		return done, operations.PartlyError{Err: err}
	}
	return done, nil
}

// failedNotices collects why parked notices could not be changed. A reason that many
// of them share is reported once, with the ID of the first.
type failedNotices struct {
	reasons []string
	first   map[string]messages.NoticeID
	count   map[string]int
}

func (u *failedNotices) add(id messages.NoticeID, reason string) {
	if u.count == nil {
		u.first, u.count = map[string]messages.NoticeID{}, map[string]int{}
	}
	if u.count[reason]++; u.count[reason] == 1 {
		u.reasons, u.first[reason] = append(u.reasons, reason), id
	}
}

// err returns the reasons in one line, nil when there are none.
func (u *failedNotices) err() error {
	told := make([]string, 0, len(u.reasons))
	for _, reason := range u.reasons {
		text := string(u.first[reason]) + ": " + reason
		if more := u.count[reason] - 1; more > 0 {
			text += fmt.Sprintf(" (and %d more)", more)
		}
		told = append(told, text)
	}
	if len(told) == 0 {
		return nil
	}
	return errors.New(strings.Join(told, "; "))
}

// Quarantine implements operations.Admin.
func (d admin) Quarantine(_ context.Context, limit int) ([]messages.QuarantinedDatagram, error) {
	list, err := d.gen.quarantine.List(limit)
	if list == nil {
		list = []messages.QuarantinedDatagram{}
	}
	return list, err
}
