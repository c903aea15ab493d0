package trail

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"butler/internal/journal"
)

// Headline is what became of an event, in a line.
type Headline struct {
	// At is when it was decided.
	At          time.Time `json:"at"`
	ExecutionID string    `json:"executionId"`
	TaskName    string    `json:"taskName"`
	// Event is what the node reported, such as "failed".
	Event string `json:"event"`
	// Summary says what was decided, and how many notices follow.
	Summary string `json:"summary"`
}

// The newest records in which Latest looks for decisions: so many at first, and at most.
const (
	firstLook = 8
	lastLook  = 512
)

// Latest returns the newest decisions, the newest first, at most limit of them. A trail
// that records nothing has none.
func (t *Trail) Latest(ctx context.Context, limit int) ([]Headline, error) {
	if t == nil {
		return []Headline{}, nil
	}
	limit = max(limit, 0)
	_ = t.notes.Flush(ctx) // if this fails, the latest are missing; the health of the journal shows it
	for records := firstLook; ; records *= 4 {
		found, older, err := t.headlines(ctx, records, limit)
		if err != nil {
			return nil, fmt.Errorf("read the trail: %w", err)
		}
		if len(found) >= limit || !older || records >= lastLook {
			slices.Reverse(found)
			return found, nil
		}
	}
}

// headlines returns the newest decisions in the newest records, the newest last.
func (t *Trail) headlines(ctx context.Context, records, limit int) (out []Headline, older bool, err error) {
	out = []Headline{}
	older, err = t.notes.Tail(ctx, records, func(r journal.Record) error {
		decisions := slices.DeleteFunc(slices.Clone(r.Entries), func(raw []byte) bool { return len(raw) < 2 || raw[1] != sortDecision })
		for _, raw := range decisions[max(len(decisions)-limit, 0):] {
			entry, err := decode(raw)
			if d, ok := entry.(*Decision); ok && err == nil {
				out = append(out, d.headline())
			}
		}
		out = out[max(len(out)-limit, 0):]
		return ctx.Err()
	})
	return out, older, err
}

func (d *Decision) headline() Headline {
	return Headline{
		At: d.At, ExecutionID: cmp.Or(d.ExecutionID, string(d.Key)), TaskName: d.TaskName, Event: d.Family.String(), Summary: d.summary(),
	}
}

// summary says what was decided.
func (d *Decision) summary() string {
	if d.Alert == "" {
		return d.Text
	}
	return fmt.Sprintf("%s: %s, notified %d, not notified %d", d.Text, d.Alert, len(d.Notified), len(d.NotNotified))
}
