package execution

import (
	"container/heap"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"butler/internal/destination"
	"butler/internal/qlik"
	"butler/messages"
)

// crash ends the machine as a crash of the process does: only what was recorded is left.
// Events that have come and were not decided come again, as their shard sends them.
func (w *world) crash(arrived map[messages.EventPosition]messages.TaskEvent) {
	w.t.Helper()
	w.inputs = slices.DeleteFunc(w.inputs, func(i input) bool {
		_, event := i.message.(messages.TaskEventObserved)
		return !event
	})
	heap.Init(&w.inputs)
	var seen messages.Seen
	if len(w.records) > 0 {
		seen = w.records[len(w.records)-1].Seen
	}
	for i := range w.inputs { // those that are still to come
		later := w.inputs[i].message.(messages.TaskEventObserved)
		later.Seen = seen
		w.inputs[i].message = later
	}
	w.asleep, w.finished = nil, false
	w.naps++
	w.machine = NewMachine(w.machine.rules, messages.Ref{ID: "x"})
	if w.state != nil {
		effects, err := w.machine.Resume(w.now, messages.ResumeExecution{Key: "exec-1", Seen: seen, Snapshot: w.state}, 0.5)
		if err != nil {
			w.t.Fatal(err)
		}
		w.perform(effects)
	}
	for at, event := range arrived {
		isDone := slices.ContainsFunc(w.handled, func(h messages.EventHandled) bool { return h.At == at })
		switch {
		case isDone:
		case seen.HasFamily(event.Family):
			w.handled = append(w.handled, messages.EventHandled{Key: "exec-1", At: at, Seen: seen})
		default:
			w.send(0, messages.TaskEventObserved{PlacedEvent: messages.PlacedEvent{At: at, Key: "exec-1", Event: event}, Seen: seen})
		}
	}
	w.finished = len(w.machine.works) == 0
}

// Whenever the process crashes, nothing is alerted twice, nothing is forgotten, and a
// failure is never silent.
func TestMachine_alwaysEndsWhateverCrashes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		repo := known(qlik.TaskType(rapid.IntRange(0, 4).Draw(rt, "type")))
		answer := func(now time.Time, command any) (any, time.Duration) {
			repo.delay = time.Duration(rapid.SampledFrom([]int{0, 1, 20}).Draw(rt, "delay")) * time.Second
			repo.task.LastStatus = qlik.ExecutionStatus(rapid.SampledFrom([]int{2, 2, 14, 7, 8, 6}).Draw(rt, "status"))
			repo.fail = func(any) messages.Failure {
				return messages.Failure{Kind: messages.FailureKind(rapid.SampledFrom([]int{0, 0, 0, 0, 1, 2}).Draw(rt, "failure")), Text: "x"}
			}
			if f := repo.fail(command); f.Kind == messages.FailureNotFound {
				repo.fail = nil
			}
			return repo.answer(now, command)
		}
		w := newWorld(t, everyKind(destination.Needs{Execution: true}), answer)
		w.machine.rules.FollowFor = 10 * time.Minute
		families := rapid.SliceOfNDistinct(rapid.SampledFrom(messages.Families()[:4]), 1, 4, func(f messages.Family) messages.Family { return f }).Draw(rt, "families")
		due := map[messages.EventPosition]time.Time{}
		all := map[messages.EventPosition]messages.TaskEvent{}
		for i, family := range families {
			after := time.Duration(rapid.SampledFrom([]int{0, 1, 20, 40, 50}).Draw(rt, "at")) * time.Second
			w.observe(after, event(family), uint32(i))
			at := messages.EventPosition{Seq: 1, Index: uint32(i)}
			due[at], all[at] = epoch.Add(after), event(family)
		}
		for range rapid.IntRange(0, 5).Draw(rt, "crashes") {
			w.run(time.Duration(rapid.SampledFrom([]int{1, 500, 5000, 10_000, 40_000}).Draw(rt, "until")) * time.Millisecond)
			arrived := map[messages.EventPosition]messages.TaskEvent{}
			for at, event := range all {
				pending := slices.ContainsFunc(w.inputs, func(i input) bool {
					observed, ok := i.message.(messages.TaskEventObserved)
					return ok && observed.At == at
				})
				if !pending {
					arrived[at] = event
				}
			}
			w.crash(arrived)
		}
		w.run(3 * time.Hour)
		if !w.finished || w.state != nil || len(w.machine.works) > 0 {
			rt.Fatalf("not at an end: finished %v, state %s, outcomes %v", w.finished, w.state, w.outcomes())
		}
		handled := map[messages.EventPosition]int{}
		for _, h := range w.handled {
			handled[h.At]++
		}
		alerted := map[messages.AlertKind]int{}
		for _, r := range w.records {
			if len(r.Decision.Notices) > 0 {
				alerted[r.Decision.Alert.Kind]++
			}
		}
		for kind, n := range alerted {
			if n > 1 {
				rt.Fatalf("%s alerted %d times, outcomes %v", kind, n, w.outcomes())
			}
		}
		followed, told := 0, 0
		for _, report := range w.tells {
			switch {
			case report.Outcome == OutcomeFollowing:
				followed++
			case report.Outcome != OutcomeAbandoned && report.Alert.Event.Family == messages.FamilyDistribute:
				told++
			}
		}
		if followed > 0 && told == 0 {
			rt.Fatalf("a followed task has no outcome, outcomes %v", w.outcomes())
		}
		for at, event := range all {
			if handled[at] != 1 {
				rt.Fatalf("event %v is handled %d times, outcomes %v", event.Family, handled[at], w.outcomes())
			}
			failed := alerted[messages.ReloadTaskFailed] + alerted[messages.ExternalProgramTaskFailed] + alerted[messages.UserSyncTaskFailed] +
				alerted[messages.DistributeTaskFailed] + alerted[messages.PreloadTaskFailed]
			if event.Family == messages.FamilyFailed && failed == 0 {
				rt.Fatalf("a failure is silent, outcomes %v", w.outcomes())
			}
		}
	})
}
