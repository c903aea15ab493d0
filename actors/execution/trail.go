package execution

import (
	"slices"
	"time"

	"butler/internal/trail"
	"butler/messages"
)

// What the trail keeps of an event, for butler explain.

// answerInfo is what the trail keeps of an answer.
type answerInfo struct {
	// asOf is when the QRS gave the answer; zero for look-ups that are never cached.
	asOf    time.Time
	stale   bool
	along   string
	failure messages.Failure
}

func infoOf(in *messages.LookupTaskReply) answerInfo {
	return answerInfo{asOf: in.AsOf, stale: in.Stale, failure: in.Failure, along: broughtAlong(in)}
}

// broughtAlong names what an answer has beside the task.
func broughtAlong(in *messages.LookupTaskReply) string {
	switch {
	case in.Owner.Known:
		return "app and app owner"
	case in.App.Known:
		return "app"
	default:
		return ""
	}
}

// noteAnswer adds an answer to the trail of the work. One that equals the answer before
// it is only counted.
func (w *work) noteAnswer(l lookup, now time.Time, s answerInfo) {
	look := trail.Lookup{
		What: requestNames[l.what], Asked: l.asked, Answered: now, Times: 1,
		Memory: !s.asOf.IsZero() && s.asOf.Before(l.asked), Stale: s.stale, Along: s.along, Failure: s.failure.Text,
	}
	if s.failure.Failed() && look.Failure == "" {
		look.Failure = s.failure.Kind.String()
	}
	if look.Memory {
		look.AsOf = s.asOf
	}
	if n := len(w.looked) - 1; n >= 0 && repeats(w.looked[n], look) {
		w.looked[n].Times++
		w.looked[n].Answered = now
		return
	}
	w.looked = append(w.looked, look)
}

// repeats reports whether a look had the same answer as the one before it.
func repeats(before, look trail.Lookup) bool {
	return before.What == look.What && before.Failure == look.Failure && before.Stale == look.Stale && !look.Memory && !before.Memory
}

// lookups returns the look-ups so far, with the unanswered ones at the end.
func (w *work) lookups() []trail.Lookup {
	out := slices.Clip(w.looked)
	for _, l := range w.waiting {
		out = append(out, trail.Lookup{What: requestNames[l.what], Asked: l.asked, Times: 1})
	}
	return out
}

// trailDecision makes d what the trail keeps of t. It uses the memory of d again.
func (t *Report) trailDecision(d *trail.Decision) *trail.Decision {
	event, text := &t.Alert.Event, outcomes[t.Outcome].text
	if found := t.found(); found != "" {
		text += ": " + found
	}
	told, without := d.Notified[:0], d.NotNotified[:0]
	*d = trail.Decision{
		Head:  trail.Head{Key: t.Alert.Key, ExecutionID: event.ExecutionID, At: t.At},
		Place: t.Place, Family: event.Family, Received: event.At, Source: event.Source, Host: event.HostName,
		TaskID: event.TaskID, TaskName: event.TaskName, AppName: event.AppName,
		TaskKnown: t.Alert.Task.Known, TaskType: t.Alert.Task.Type,
		Outcome: t.Outcome.String(), Text: text, Alert: t.Alert.Kind,
		Lookups: t.Lookups, Degraded: slices.Clone(t.Alert.Degraded),
	}
	for i := range t.Notices {
		n := &t.Notices[i]
		told = append(told, trail.Notified{ID: n.ID, Instance: n.Instance, Recipient: n.Recipient})
	}
	for _, v := range t.Without {
		without = append(without, trail.NotNotified{Instance: v.Instance, Reason: v.Names()})
	}
	d.Notified, d.NotNotified = told, without
	return d
}
