package execution

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"butler/internal/destination"
	"butler/internal/qlik"
	"butler/messages"
)

// Whatever is answered, and whatever arrives meanwhile: an execution that sleeps
// between its looks does the same at the same time as one that stays awake.
func TestMachine_sleepsWithoutADifference(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		type said struct {
			status  qlik.ExecutionStatus
			result  string
			failure messages.FailureKind
			delay   int
		}
		said1 := rapid.Custom(func(rt *rapid.T) said {
			return said{
				qlik.ExecutionStatus(rapid.SampledFrom([]int{1, 2, 2, 2, 2, 7, 8}).Draw(rt, "status")),
				rapid.SampledFrom([]string{"r1", "r1", "r1", "r1", "r1", "r2"}).Draw(rt, "result"),
				messages.FailureKind(rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3, 4, 5, 6}).Draw(rt, "failure")),
				rapid.IntRange(0, 29).Draw(rt, "delay"),
			}
		})
		answers := rapid.SliceOfN(said1, 1, 40).Draw(rt, "answers")
		type arrival struct {
			at     int
			family messages.Family
		}
		events := append([]arrival{{0, messages.FamilyDistribute}}, rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) arrival {
			return arrival{rapid.IntRange(0, 900).Draw(rt, "at"), rapid.SampledFrom(messages.Families()[:4]).Draw(rt, "family")}
		}), 0, 3).Draw(rt, "events")...)
		needs := destination.Needs{
			App: rapid.Bool().Draw(rt, "app"), Owner: rapid.Bool().Draw(rt, "owner"), Execution: rapid.Bool().Draw(rt, "execution"),
			Metadata: rapid.Bool().Draw(rt, "metadata"),
		}
		run := func(stays bool) *world {
			asked := 0
			repo := known(qlik.TaskDistribute)
			repo.task.Metadata, repo.task.CustomProperties = `{"a":1}`, []messages.Property{{Name: "p", Value: "v"}}
			w := newWorld(t, everyKind(needs), func(now time.Time, command any) (any, time.Duration) {
				one := answers[asked%len(answers)]
				asked++
				repo.task.LastStatus, repo.task.LastResultID, repo.delay = one.status, one.result, time.Duration(one.delay)*time.Second
				repo.fail = func(any) messages.Failure { return messages.Failure{Kind: one.failure, Text: "x"} }
				return repo.answer(now, command)
			})
			w.stays = stays
			w.machine.rules.FollowFor = 10*time.Minute + 250*time.Microsecond // never at the time of a poll
			// Of what comes of the events, no two at the same time: a decision is durable after a millisecond.
			for i, e := range events {
				w.observe(time.Duration(e.at)*time.Second+time.Duration(i)*300*time.Microsecond, event(e.family), uint32(i))
			}
			w.run(2 * time.Hour)
			return w
		}
		awake, sleeper := run(true), run(false)
		if !awake.finished || !sleeper.finished {
			rt.Fatalf("want both to end: %v, %v", awake.outcomes(), sleeper.outcomes())
		}
		same := cmp.Options{
			cmpopts.IgnoreFields(messages.LookupTask{}, "Attempt"), cmpopts.IgnoreFields(messages.LookupApp{}, "Attempt"),
			cmpopts.IgnoreFields(messages.LookupOwner{}, "Attempt"), cmpopts.IgnoreFields(messages.LookupExecution{}, "Attempt"),
			cmpopts.IgnoreFields(messages.FetchScriptLog{}, "Attempt"), cmpopts.IgnoreFields(Record{}, "Work", "Token"),
			cmpopts.EquateEmpty(), cmpopts.IgnoreFields(Record{}, "Decision.Notices"),
		}
		if diff := cmp.Diff(awake.tells, sleeper.tells, same); diff != "" {
			rt.Errorf("what was told: %s", diff)
		}
		if diff := cmp.Diff(awake.records, sleeper.records, same); diff != "" {
			rt.Errorf("what was recorded: %s", diff)
		}
		if diff := cmp.Diff(awake.handled, sleeper.handled, same); diff != "" {
			rt.Errorf("what was handled: %s", diff)
		}
		if diff := cmp.Diff(awake.asked, sleeper.asked, same); diff != "" {
			rt.Errorf("what was asked: %s", diff)
		}
	})
}

// The objects of the QRS are kept through the night only for who passes them on.
func TestMachine_sleepsWithWhatDestinationsWant(t *testing.T) {
	for _, wanted := range []bool{true, false} {
		repo := known(qlik.TaskDistribute)
		repo.task.LastStatus, repo.task.Metadata = qlik.StatusStarted, `{"a":1}`
		w := newWorld(t, everyKind(destination.Needs{Metadata: wanted}), repo.answer)
		w.observe(0, event(messages.FamilyDistribute), 0)
		w.run(time.Minute)
		left := len(w.asleep.Snapshot)
		kept := strings.Contains(string(w.asleep.Snapshot), repo.task.Metadata)
		repo.silent = func(any) bool { return true }
		w.run(24 * time.Hour)
		got := w.alert()
		if kept != wanted || (got.Task.Metadata != "") != wanted || got.Task.Name != "Daily" || left > 400 {
			t.Errorf("wanted %v: kept %v in %d bytes, alerted with %+v", wanted, kept, left, got.Task)
		}
	}
}
