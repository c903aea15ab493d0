package licence

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"butler/internal/qlik/qrs"
)

// Repository reads and releases access licences; *qrs.Client implements it.
type Repository interface {
	UnusedSince(ctx context.Context, t qrs.AccessType, moment time.Time) ([]qrs.Allocation, error)
	Account(ctx context.Context, id string) (qrs.Account, error)
	Release(ctx context.Context, t qrs.AccessType, id string) error
}

// Options configure Run. All fields are required.
type Options struct {
	Rules      Rules
	Repository Repository
	// FirstSeen returns when a licence that was never used was seen first; that is now
	// for a new one.
	FirstSeen func(now time.Time, id string) time.Time
	// Write stores the report: with the plan before anything is released, and again with
	// the results if anything was.
	Write func(Report) error
	// Decided is called once for every licence with its final entry.
	Decided func(licenceType string, e Entry)
}

// Run looks for unused licences, releases those that the rules allow, and reports on
// all of them. The report is valid even with an error, which joins what failed.
func (o Options) Run(ctx context.Context, now time.Time) (Report, error) {
	r := Report{Began: now.UTC(), DryRun: o.Rules.DryRun, Limit: o.Rules.Limit}
	for _, t := range o.Rules.Types {
		r.Types = append(r.Types, o.plan(ctx, now, t))
	}
	r.allot(o.Rules.Limit)
	if err := o.Write(r); err != nil {
		return r, fmt.Errorf("nothing is released, because the report cannot be written: %w", err)
	}
	if !o.Rules.DryRun {
		for i := range r.Types {
			o.release(ctx, &r.Types[i])
		}
	}
	for _, t := range r.Types {
		for _, e := range t.Entries {
			if e.Action != ActionReleased && e.Action != ActionFailed {
				o.Decided(t.Type, e)
			}
		}
	}
	if o.Rules.DryRun || !r.planned() {
		return r, r.err()
	}
	if err := o.Write(r); err != nil {
		return r, errors.Join(r.err(), fmt.Errorf("write the report: %w", err))
	}
	return r, r.err()
}

// plan decides which licences of a type may be released. After a failed call there are
// none, since a rule may protect any of them.
func (o Options) plan(ctx context.Context, now time.Time, rules TypeRules) TypeReport {
	limit := cutoff(now, rules.Days)
	out := TypeReport{Type: rules.Type.String(), access: rules.Type, Days: rules.Days, UnusedSince: limit.UTC()}
	listed, err := o.Repository.UnusedSince(ctx, rules.Type, limit)
	if err != nil {
		out.Error = fmt.Sprintf("list the %s licences: %v", out.Type, err)
		return out
	}
	for _, l := range listed {
		entry, err := o.judge(ctx, now, limit, l)
		if err != nil {
			out.Entries, out.Error = nil, fmt.Sprintf("look up the user of %s licence %s, nothing of this type is released: %v", out.Type, l.ID, err)
			return out
		}
		out.Entries = append(out.Entries, entry)
	}
	slices.SortStableFunc(out.Entries, func(a, b Entry) int { return cmp.Compare(b.DaysUnused, a.DaysUnused) })
	return out
}

// judge decides whether a licence may be released.
func (o Options) judge(ctx context.Context, now, limit time.Time, l qrs.Allocation) (Entry, error) {
	e := Entry{ID: l.ID, User: l.UserDirectory + `\` + l.UserID, LastUsed: l.LastUsed, Action: ActionKept}
	since, used, known := idleSince(l, func(id string) time.Time { return o.FirstSeen(now, id) })
	if e.NeverUsed = known && !used; known {
		e.DaysUnused = max(int(now.Sub(since)/(24*time.Hour)), 0) // a use in the future is one of today
	}
	switch {
	case l.Quarantined:
		e.Reason = "it is in quarantine"
		return e, nil
	case l.UserDirectory == "" || l.UserID == "":
		e.Reason = "its user is not known"
		return e, nil
	case !known:
		e.Reason = "the time of its last use is not known"
		return e, nil
	case since.After(limit) && !used:
		e.Reason = "it was never used, and its user has not had it for long enough"
		return e, nil
	case since.After(limit):
		e.Reason = "it was used recently"
		return e, nil
	}
	account, err := o.Repository.Account(ctx, l.Owner)
	if err != nil {
		return e, err
	}
	if e.Reason = o.Rules.Never.protects(l, account); e.Reason != "" {
		return e, nil
	}
	e.Action, e.Reason = ActionPlanned, fmt.Sprintf("not used for %d days", e.DaysUnused)
	return e, nil
}

// release releases the planned licences of a type, one after the other.
func (o Options) release(ctx context.Context, t *TypeReport) {
	for i := range t.Entries {
		e := &t.Entries[i]
		if e.Action != ActionPlanned {
			continue
		}
		if ctx.Err() != nil {
			e.Action, e.Reason = ActionKept, "the run has timed out"
			t.Error = "the run timed out before all " + t.Type + " licences were released"
			continue
		}
		e.Action = ActionReleased
		if err := o.Repository.Release(ctx, t.access, e.ID); err != nil {
			e.Action, e.Reason = ActionFailed, err.Error()
		}
		o.Decided(t.Type, *e)
	}
}
