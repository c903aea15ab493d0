package execution

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"butler/internal/destination"
	"butler/internal/qlik"
	"butler/messages"
)

var everything = destination.Needs{Task: true, App: true, Owner: true, Execution: true, ScriptHead: 10, ScriptTail: 10, FullScriptLog: true}

func TestMachine_routesByFamilyAndTaskType(t *testing.T) {
	type row struct {
		family messages.Family
		typ    qlik.TaskType
		want   messages.AlertKind
	}
	rows := []row{
		{messages.FamilyFailed, qlik.TaskReload, messages.ReloadTaskFailed},
		{messages.FamilyFailed, qlik.TaskExternalProgram, messages.ExternalProgramTaskFailed},
		{messages.FamilyFailed, qlik.TaskUserSync, messages.UserSyncTaskFailed},
		{messages.FamilyFailed, qlik.TaskDistribute, messages.DistributeTaskFailed},
		{messages.FamilyFailed, qlik.TaskPreload, messages.PreloadTaskFailed},
		{messages.FamilyAborted, qlik.TaskReload, messages.ReloadTaskAborted},
		{messages.FamilyAborted, qlik.TaskExternalProgram, ""},
		{messages.FamilyAborted, qlik.TaskUserSync, ""},
		{messages.FamilyAborted, qlik.TaskDistribute, ""},
		{messages.FamilyAborted, qlik.TaskPreload, ""},
		{messages.FamilySucceeded, qlik.TaskReload, messages.ReloadTaskSucceeded},
		{messages.FamilySucceeded, qlik.TaskExternalProgram, messages.ExternalProgramTaskSucceeded},
		{messages.FamilySucceeded, qlik.TaskUserSync, messages.UserSyncTaskSucceeded},
		{messages.FamilySucceeded, qlik.TaskDistribute, messages.DistributeTaskSucceeded},
		{messages.FamilySucceeded, qlik.TaskPreload, messages.PreloadTaskSucceeded},
		{messages.FamilyDistribute, qlik.TaskDistribute, messages.DistributeTaskSucceeded},
		{messages.FamilyDistribute, qlik.TaskReload, ""},
	}
	for _, r := range rows {
		t.Run(r.family.String()+"/"+r.typ.String(), func(t *testing.T) {
			w := newWorld(t, everyKind(everything), known(r.typ).answer)
			w.observe(0, event(r.family), 0)
			w.run(time.Hour)
			if len(w.handled) != 1 || !w.finished {
				t.Fatalf("want the event handled and the execution finished, got %d, %v", len(w.handled), w.finished)
			}
			if r.want == "" {
				if n := len(w.records); n != 1 || len(w.records[0].Decision.Notices) != 0 {
					t.Fatalf("want no alert, got %v", w.outcomes())
				}
				return
			}
			got := w.alert()
			if got.Kind != r.want || len(got.Degraded) != 0 {
				t.Fatalf("want %s complete, got %s, degraded %v", r.want, got.Kind, got.Degraded)
			}
		})
	}
}

func TestMachine_looksUpWhatDestinationsNeedAndNoMore(t *testing.T) {
	tests := []struct {
		name  string
		needs destination.Needs
		typ   qlik.TaskType
		want  []string
	}{
		{"nothing", destination.Needs{}, qlik.TaskReload, []string{"task"}},
		{"app", destination.Needs{App: true}, qlik.TaskReload, []string{"task", "app"}},
		{"owner brings the app", destination.Needs{Owner: true}, qlik.TaskReload, []string{"task", "app", "owner"}},
		{"execution", destination.Needs{Execution: true}, qlik.TaskPreload, []string{"task", "execution"}},
		{"script log brings the execution", destination.Needs{Execution: true, ScriptTail: 3}, qlik.TaskReload, []string{"task", "log"}},
		{"only reloads have a script log", destination.Needs{Execution: true, ScriptTail: 3}, qlik.TaskUserSync, []string{"task", "execution"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, everyKind(tt.needs), known(tt.typ).answer)
			w.observe(0, event(messages.FamilyFailed), 0)
			w.run(time.Hour)
			if diff := cmp.Diff(tt.want, lookups(w.asked)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMachine_keepsTheOriginalMetadataOnlyForWhoPassesItOn(t *testing.T) {
	for _, wanted := range []bool{false, true} {
		repo := known(qlik.TaskReload)
		repo.task.Metadata, repo.app.Metadata = `{"id":"t"}`, `{"id":"a"}`
		w := newWorld(t, everyKind(destination.Needs{App: true, Metadata: wanted}), repo.answer)
		w.observe(0, event(messages.FamilyFailed), 0)
		w.run(time.Minute)
		got := w.alert()
		if kept := got.Task.Metadata + got.App.Metadata; (kept != "") != wanted || wanted && kept != `{"id":"t"}{"id":"a"}` {
			t.Errorf("wanted: %t, kept %q", wanted, kept)
		}
	}
}

func lookups(asked []any) []string {
	var out []string
	for _, a := range asked {
		switch a.(type) {
		case messages.LookupTask:
			out = append(out, "task")
		case messages.LookupApp:
			out = append(out, "app")
		case messages.LookupOwner:
			out = append(out, "owner")
		case messages.LookupExecution:
			out = append(out, "execution")
		case messages.FetchScriptLog:
			out = append(out, "log")
		}
	}
	return out
}

func TestMachine_alertsDegradedWhenQRSIsSilent(t *testing.T) {
	silent := func(time.Time, any) (any, time.Duration) { return nil, 0 }
	w := newWorld(t, everyKind(everything), silent)
	w.observe(0, event(messages.FamilyFailed), 0)
	w.run(time.Hour)
	got := w.alert()
	if got.Kind != messages.ReloadTaskFailed || got.Event.TaskName != "Daily" || len(got.Degraded) == 0 {
		t.Fatalf("want a degraded reload alert with the event's data, got %+v", got)
	}
	if after := got.DecidedAt.Sub(epoch); after != 30*time.Second {
		t.Errorf("want the alert after 30s, got %s", after)
	}
}

func TestMachine_repeatsFailedLookupsUntilTheDeadline(t *testing.T) {
	for name, fail := range map[string]func(any) messages.Failure{
		"task":       failing[messages.LookupTask](messages.FailureUnavailable),
		"app":        failing[messages.LookupApp](messages.FailureTimeout),
		"script log": failing[messages.FetchScriptLog](messages.FailureUnavailable),
	} {
		t.Run(name, func(t *testing.T) {
			repo := known(qlik.TaskReload)
			failures := 4
			repo.fail = func(command any) messages.Failure {
				failure := fail(command)
				if failures == 0 || !failure.Failed() {
					return messages.Failure{}
				}
				failures--
				return failure
			}
			w := newWorld(t, everyKind(everything), repo.answer)
			w.observe(0, event(messages.FamilyFailed), 0)
			w.run(time.Hour)
			if got := w.alert(); len(got.Degraded) != 0 || got.DecidedAt.Sub(epoch) != 8*time.Second {
				t.Errorf("want a complete alert after four pauses of 2s, got %v after %s", got.Degraded, got.DecidedAt.Sub(epoch))
			}
		})
	}
}

func TestMachine_aScriptLogAskedForOftenEnoughIsDoneWithout(t *testing.T) {
	repo := known(qlik.TaskReload)
	repo.exhausted, repo.fail = true, failing[messages.FetchScriptLog](messages.FailureUnavailable)
	w := newWorld(t, everyKind(everything), repo.answer)
	w.observe(0, event(messages.FamilyFailed), 0)
	w.run(time.Hour)
	got := w.alert()
	if want := []string{"the script log could not be fetched"}; !slices.Equal(got.Degraded, want) || !got.DecidedAt.Equal(epoch) {
		t.Errorf("want an alert at once that says %q, got %q after %s", want, got.Degraded, got.DecidedAt.Sub(epoch))
	}
}

func TestMachine_goesOnWithoutWhatIsMissing(t *testing.T) {
	tests := []struct {
		name string
		fail func(any) messages.Failure
		want string
	}{
		{"app gone", failing[messages.LookupApp](messages.FailureNotFound), "the app does not exist"},
		{"owner gone", failing[messages.LookupOwner](messages.FailureNotFound), "owner does not exist"},
		{"script log refused", failing[messages.FetchScriptLog](messages.FailureRejected), "script log could not be fetched"},
		{"script log never within reach", failing[messages.FetchScriptLog](messages.FailureUnavailable), "did not answer within 30s"},
		{"look-up refused", failing[messages.LookupApp](messages.FailureRejected), "app look-up was refused"},
		{"task look-up refused", failing[messages.LookupTask](messages.FailureRejected), "task look-up was refused"},
		{"app never answers", failing[messages.LookupApp](messages.FailureTimeout), "did not answer within 30s"},
		{"task never answers", failing[messages.LookupTask](messages.FailureInvalid), "did not answer within 30s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			repo := known(qlik.TaskReload)
			repo.fail = tt.fail
			w := newWorld(t, everyKind(everything), repo.answer)
			w.observe(0, event(messages.FamilyFailed), 0)
			w.run(time.Hour)
			got := w.alert()
			if !strings.Contains(strings.Join(got.Degraded, "; "), tt.want) {
				t.Errorf("want %q among %q", tt.want, got.Degraded)
			}
		})
	}
}

func failing[C any](kind messages.FailureKind) func(any) messages.Failure {
	return func(command any) messages.Failure {
		if _, ok := command.(C); ok {
			return messages.Failure{Kind: kind, Text: "because"}
		}
		return messages.Failure{}
	}
}

func TestMachine_saysWhenTheResultIsOfANewerExecution(t *testing.T) {
	for start, want := range map[string]bool{"2026-05-06T14:20:00.000Z": false, "2026-05-06T14:24:00.000Z": false, "2026-05-06T14:30:00.000Z": true, qlik.NeverDate: false} {
		repo := known(qlik.TaskReload)
		repo.execution = func(time.Time) messages.Execution { return messages.Execution{Known: true, Start: start} }
		w := newWorld(t, everyKind(everything), repo.answer)
		w.observe(0, event(messages.FamilyFailed), 0)
		w.run(time.Hour)
		if got := w.alert(); strings.Contains(strings.Join(got.Degraded, ""), "newer execution") != want {
			t.Errorf("start %s: want a note %v, got %q", start, want, got.Degraded)
		}
	}
}

func TestMachine_takesNamesFromTheTaskThatTheEventLacks(t *testing.T) {
	for _, row := range []struct {
		name string
		typ  qlik.TaskType
		said messages.TaskEvent
		want messages.TaskEvent
	}{
		{"nothing is named", qlik.TaskReload, messages.TaskEvent{}, messages.TaskEvent{TaskName: "Daily", AppID: appID, AppName: "Sales"}},
		{"all is named", qlik.TaskReload, messages.TaskEvent{TaskName: "Old", AppID: appID, AppName: "Older"}, messages.TaskEvent{TaskName: "Old", AppID: appID, AppName: "Older"}},
		{"the name of the app alone is missing", qlik.TaskReload, messages.TaskEvent{AppID: strings.ToUpper(appID)}, messages.TaskEvent{TaskName: "Daily", AppID: strings.ToUpper(appID), AppName: "Sales"}},
		{"of another app", qlik.TaskReload, messages.TaskEvent{AppID: taskID}, messages.TaskEvent{TaskName: "Daily", AppID: taskID}},
		{"another type of task", qlik.TaskPreload, messages.TaskEvent{}, messages.TaskEvent{TaskName: "Daily"}},
	} {
		repo := known(row.typ)
		repo.task.AppID, repo.task.AppName = appID, "Sales"
		w := newWorld(t, everyKind(destination.Needs{}), repo.answer)
		e := event(messages.FamilyFailed)
		e.TaskName, e.AppID, e.AppName = row.said.TaskName, row.said.AppID, row.said.AppName
		w.observe(0, e, 0)
		w.run(time.Hour)
		got := w.alert().Event
		if diff := cmp.Diff(row.want, messages.TaskEvent{TaskName: got.TaskName, AppID: got.AppID, AppName: got.AppName}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
}

func TestMachine_marksWhatAnOlderCopyTold(t *testing.T) {
	repo := known(qlik.TaskReload)
	w := newWorld(t, everyKind(everything), func(now time.Time, command any) (any, time.Duration) {
		reply, after := repo.answer(now, command)
		if app, ok := reply.(messages.LookupAppReply); ok {
			app.Stale = true
			return app, after
		}
		return reply, after
	})
	w.observe(0, event(messages.FamilyFailed), 0)
	w.run(time.Hour)
	if got := w.alert(); len(got.Degraded) != 1 || !strings.Contains(got.Degraded[0], "app details may be out of date") {
		t.Errorf("want the app's details marked, got %q", got.Degraded)
	}
}

func TestMachine_dropsWhatTheQRSDoesNotKnow(t *testing.T) {
	repo := known(qlik.TaskReload)
	repo.fail = failing[messages.LookupTask](messages.FailureNotFound)
	w := newWorld(t, everyKind(everything), repo.answer)
	w.observe(0, event(messages.FamilyFailed), 0)
	w.run(time.Hour)
	if diff := cmp.Diff([]string{"task_not_found"}, w.outcomes()); diff != "" {
		t.Error(diff)
	}
	if len(w.records) != 0 || len(w.handled) != 1 || !w.handled[0].Released {
		t.Errorf("want the event handled, released and not remembered, got %+v", w.handled)
	}
}

func TestMachine_waitsForTheFinalStateOfASuccess(t *testing.T) {
	needs := everything
	needs.FinalState = true
	tests := []struct {
		name      string
		finalAt   time.Duration
		wantFinal bool
		wantAfter time.Duration
	}{
		{"final at once", 0, true, 0},
		{"final after three seconds", 3 * time.Second, true, 3 * time.Second},
		{"never final", time.Hour, false, 4 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			repo := known(qlik.TaskReload)
			repo.execution = func(now time.Time) messages.Execution {
				e := messages.Execution{Known: true, Details: []messages.ExecutionDetail{{Message: "Changing task state from Triggered to Started"}}}
				if !now.Before(epoch.Add(tt.finalAt)) {
					e.Details = append(e.Details, messages.ExecutionDetail{Message: messages.FinalSuccessMessage})
				}
				return e
			}
			r := everyKind(needs)
			w := newWorld(t, r, repo.answer)
			w.observe(0, event(messages.FamilySucceeded), 0)
			w.run(time.Hour)
			got := w.alert()
			if r.final[messages.ReloadTaskSucceeded] != tt.wantFinal || got.DecidedAt.Sub(epoch) != tt.wantAfter {
				t.Errorf("want final %v after %s, got %v after %s", tt.wantFinal, tt.wantAfter,
					r.final[messages.ReloadTaskSucceeded], got.DecidedAt.Sub(epoch))
			}
			fetch, ok := w.asked[len(w.asked)-1].(messages.FetchScriptLog)
			if !ok || fetch.Result.Known != tt.wantFinal {
				t.Errorf("want the script log asked for last, and the result read again unless it is final, got %+v", w.asked[len(w.asked)-1])
			}
		})
	}
}

func TestMachine_followsADistributeTaskThroughEveryState(t *testing.T) {
	for status := qlik.StatusNeverStarted; status <= qlik.StatusDistributionRunning; status++ {
		t.Run(status.String(), func(t *testing.T) {
			repo := known(qlik.TaskDistribute)
			repo.task.LastStatus = status
			w := newWorld(t, everyKind(destination.Needs{}), repo.answer)
			w.observe(0, event(messages.FamilyDistribute), 0)
			w.run(5 * time.Minute)
			switch status.Phase() {
			case qlik.PhaseRunning:
				if w.state == nil || len(w.handled) != 1 || w.finished {
					t.Fatalf("want the task followed, its event handled and its state kept; outcomes %v", w.outcomes())
				}
				repo.task.LastStatus = qlik.StatusError
				w.run(time.Hour)
				if got := w.alert(); got.Kind != messages.DistributeTaskFailed || !w.finished || w.state != nil {
					t.Errorf("want a failure alert and no state left, got %s, %v", got.Kind, w.finished)
				}
				if !w.left.HasKind(messages.DistributeTaskFailed) || w.left != w.records[len(w.records)-1].Seen {
					t.Errorf("want the outcome remembered as it was recorded, got %+v", w.left)
				}
			case qlik.PhaseSucceeded:
				if got := w.alert(); got.Kind != messages.DistributeTaskSucceeded {
					t.Errorf("got %s", got.Kind)
				}
			case qlik.PhaseFailed:
				if got := w.alert(); got.Kind != messages.DistributeTaskFailed {
					t.Errorf("got %s", got.Kind)
				}
			default:
				if diff := cmp.Diff([]string{"unexpected_status"}, w.outcomes()); diff != "" || !w.finished {
					t.Error(diff)
				}
			}
		})
	}
}

func TestMachine_staysUntilItsNewestDecisionIsDurable(t *testing.T) {
	repo := known(qlik.TaskDistribute)
	repo.task.LastStatus = qlik.StatusDistributionRunning
	w := newWorld(t, everyKind(destination.Needs{}), repo.answer)
	w.durable = 40 * time.Second // and after 30 the task is looked at
	w.observe(0, event(messages.FamilyDistribute), 0)
	w.run(time.Second)
	repo.task.LastStatus = qlik.StatusError
	w.run(49 * time.Second)
	if w.alert(); len(w.records) != 2 || len(w.handled) != 1 || w.finished {
		t.Fatalf("want the event handled with the first record, and the second one waited for, got %d records, %d handled, finished %v",
			len(w.records), len(w.handled), w.finished)
	}
	w.run(time.Minute)
	if !w.finished || len(w.handled) != 1 {
		t.Errorf("want the end with the second record, got finished %v, %d handled", w.finished, len(w.handled))
	}
}

func TestMachine_givesUpOnADistributeTaskWithAnAlert(t *testing.T) {
	repo := known(qlik.TaskDistribute)
	repo.task.LastStatus = qlik.StatusDistributionRunning
	repo.execution = func(time.Time) messages.Execution {
		return messages.Execution{Known: true, Status: qlik.StatusDistributionRunning}
	}
	w := newWorld(t, everyKind(everything), repo.answer)
	w.observe(0, event(messages.FamilyDistribute), 0)
	w.run(24 * time.Hour)
	got := w.alert()
	if got.Kind != messages.DistributeTaskFailed || len(got.Degraded) != 1 || !strings.Contains(got.Degraded[0], "DistributionRunning") {
		t.Errorf("want an alert that names the last state once, got %s %q", got.Kind, got.Degraded)
	}
	if after := got.DecidedAt.Sub(epoch); after != 6*time.Hour {
		t.Errorf("want it after 6h, got %s", after)
	}
}

func TestMachine_noticesThatAFollowedExecutionWasReplaced(t *testing.T) {
	w, repo := distributing(t)
	repo.task.LastResultID, repo.task.LastStatus = "r2", qlik.StatusFinishedSuccess
	w.run(time.Hour)
	if got := w.alert(); got.Kind != messages.DistributeTaskFailed || len(got.Degraded) == 0 {
		t.Errorf("want no success for an execution that was not seen to end, got %s %q", got.Kind, got.Degraded)
	}
}

func TestMachine_saysWhenTheResultIsNotOfTheExecutionThatItFollowed(t *testing.T) {
	const said = "the execution result and the script log are of a newer execution of the task"
	for _, tt := range []struct {
		name, seen, result string
		want               bool
	}{
		{"its own", "r1", "r1", false},
		{"replaced after its end was seen", "r1", "r2", true},
		{"replaced before its end was seen", "r2", "r2", true},
		{"a result without an ID", "r1", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			repo := known(qlik.TaskDistribute)
			repo.task.LastStatus = qlik.StatusStarted
			w := newWorld(t, everyKind(everything), repo.answer)
			w.observe(0, event(messages.FamilyDistribute), 0)
			w.run(20 * time.Second)
			repo.task.LastResultID, repo.task.LastStatus = tt.seen, qlik.StatusFinishedSuccess
			repo.execution = func(time.Time) messages.Execution {
				// Not a minute after the event: times alone do not tell that it is another.
				return messages.Execution{
					Known: true, ResultID: tt.result, Status: qlik.StatusFinishedSuccess, Start: epoch.Add(20 * time.Second).Format(time.RFC3339),
					Details: []messages.ExecutionDetail{{Message: messages.FinalSuccessMessage}},
				}
			}
			w.run(time.Hour)
			if got := w.alert().Degraded; slices.Contains(got, said) != tt.want {
				t.Errorf("want a note %t, got %q", tt.want, got)
			}
		})
	}
}

func TestMachine_followsOnWhenAnAnswerDoesNotSayEnough(t *testing.T) {
	for name, lose := range map[string]func(*messages.Task){
		"the last execution": func(task *messages.Task) { task.LastResultID, task.LastStatus = "", qlik.StatusUnknown },
		"the type":           func(task *messages.Task) { task.Type, task.TypeMissing = qlik.TaskReload, true },
	} {
		t.Run(name, func(t *testing.T) {
			w, repo := distributing(t)
			whole := repo.task
			lose(&repo.task)
			w.run(time.Hour)
			if w.state == nil || w.finished {
				t.Fatalf("want the task followed, got %v", w.outcomes())
			}
			repo.task = whole
			repo.task.LastStatus = qlik.StatusFinishedSuccess
			w.run(time.Hour)
			if got := w.alert(); got.Kind != messages.DistributeTaskSucceeded {
				t.Errorf("got %s %q", got.Kind, got.Degraded)
			}
		})
	}
}

func TestMachine_takesAnOutcomeOfWhichTheExecutionIsNotSaid(t *testing.T) {
	w, repo := distributing(t)
	repo.task.LastResultID, repo.task.LastStatus = "", qlik.StatusFinishedSuccess
	w.run(time.Hour)
	if got := w.alert(); got.Kind != messages.DistributeTaskSucceeded {
		t.Errorf("got %s %q", got.Kind, got.Degraded)
	}
}

// What was seen of a task stands until something else is seen of it.
func TestMachine_keepsTheLastStateThatCouldBeRead(t *testing.T) {
	w, repo := distributing(t)
	repo.task.LastStatus = qlik.StatusUnknown
	w.run(24 * time.Hour)
	if got := w.alert(); len(got.Degraded) != 1 || !strings.HasSuffix(got.Degraded[0], "its last known state is Started") {
		t.Errorf("want an alert that names the last state that was read, got %s %q", got.Kind, got.Degraded)
	}
}

// The repository was away at first, and answers then without saying what was asked.
func TestMachine_doesNotBlameAnOutageForAStateThatIsNotSaid(t *testing.T) {
	repo := known(qlik.TaskDistribute)
	repo.task.Type, repo.task.TypeMissing = qlik.TaskReload, true
	repo.fail = away
	w := newWorld(t, everyKind(destination.Needs{}), repo.answer)
	w.observe(0, event(messages.FamilyDistribute), 0)
	w.run(time.Hour)
	repo.fail = nil
	w.run(24 * time.Hour)
	if got := w.alert(); !strings.HasSuffix(strings.Join(got.Degraded, "; "), "unknown, because the Qlik Repository Service did not tell it") {
		t.Errorf("want an alert that says what is known, got %s %q", got.Kind, got.Degraded)
	}
}

func TestMachine_followsUntilTheQRSAnswers(t *testing.T) {
	repo := known(qlik.TaskDistribute)
	repo.fail = away
	w := newWorld(t, everyKind(destination.Needs{}), repo.answer)
	w.observe(0, event(messages.FamilyDistribute), 0)
	w.run(time.Hour)
	if w.state == nil {
		t.Fatalf("want the task followed, got %v", w.outcomes())
	}
	repo.fail = nil
	w.run(time.Hour)
	if got := w.alert(); got.Kind != messages.DistributeTaskSucceeded || len(got.Degraded) > 0 {
		t.Errorf("want a success of which nothing is missing, got %s %q", got.Kind, got.Degraded)
	}
}

func TestMachine_pollsAgainWhenAnAnswerNeverComes(t *testing.T) {
	repo := known(qlik.TaskDistribute)
	repo.task.LastStatus = qlik.StatusStarted
	asked := 0
	repo.silent = func(any) bool {
		asked++
		return asked == 3 // the second poll
	}
	w := newWorld(t, everyKind(destination.Needs{}), repo.answer)
	w.observe(0, event(messages.FamilyDistribute), 0)
	w.run(5 * time.Minute)
	repo.task.LastStatus = qlik.StatusFinishedSuccess
	w.run(5 * time.Minute)
	if got := w.alert(); got.Kind != messages.DistributeTaskSucceeded || got.DecidedAt.Sub(epoch) > 6*time.Minute {
		t.Errorf("want the success seen by the next poll, got %s after %s", got.Kind, got.DecidedAt.Sub(epoch))
	}
	if asked < 6 || asked > 12 {
		t.Errorf("want one poll every 30s and one in flight at most, got %d look-ups in 6 minutes", asked)
	}
}

func TestMachine_takesWhatComesAlongWithTheTask(t *testing.T) {
	for _, row := range []struct {
		name      string
		needs     destination.Needs
		app       string // of the event
		wantAsked []string
		wantOwner bool
	}{
		{"app and owner", destination.Needs{App: true, Owner: true}, appID, []string{"LookupTask"}, true},
		{"the app alone", destination.Needs{App: true}, appID, []string{"LookupTask"}, false},
		{"nothing that nobody wants", destination.Needs{}, appID, []string{"LookupTask"}, false},
		{"not another app", destination.Needs{App: true, Owner: true}, "b1b2c3d4-e5f6-7890-abcd-ef1234567890", []string{"LookupTask", "LookupApp", "LookupOwner"}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			repo := known(qlik.TaskReload)
			repo.task.AppID, repo.atHand = appID, true
			w := newWorld(t, everyKind(row.needs), repo.answer)
			failed := event(messages.FamilyFailed)
			failed.AppID = row.app
			w.observe(0, failed, 0)
			w.run(time.Minute)
			var asked []string
			for _, command := range w.asked {
				asked = append(asked, strings.TrimPrefix(fmt.Sprintf("%T", command), "messages."))
			}
			if diff := cmp.Diff(row.wantAsked, asked); diff != "" {
				t.Error(diff)
			}
			got := w.alert()
			if got.App.Known != row.needs.App || got.Owner.Known != row.wantOwner {
				t.Errorf("app known: %t, owner known: %t", got.App.Known, got.Owner.Known)
			}
		})
	}
}

func TestMachine_looksOnceMoreBeforeItGivesUpAfterALongStop(t *testing.T) {
	for _, row := range []struct {
		name   string
		status qlik.ExecutionStatus
		down   bool
		want   messages.AlertKind
		text   string
	}{
		{"the task ended meanwhile", qlik.StatusFinishedSuccess, false, messages.DistributeTaskSucceeded, ""},
		{"the task still runs", qlik.StatusStarted, false, messages.DistributeTaskFailed, "its last known state is Started"},
		{"the QRS is down", qlik.StatusFinishedSuccess, true, messages.DistributeTaskFailed, "did not reach a final state"},
	} {
		t.Run(row.name, func(t *testing.T) {
			repo := known(qlik.TaskDistribute)
			repo.task.LastStatus = qlik.StatusStarted
			w := newWorld(t, everyKind(destination.Needs{}), repo.answer)
			w.observe(0, event(messages.FamilyDistribute), 0)
			w.run(time.Hour)

			repo.task.LastStatus = row.status
			repo.silent = func(any) bool { return row.down }
			again := newWorld(t, everyKind(destination.Needs{}), repo.answer)
			again.now = w.now.Add(50 * time.Hour)
			effects, err := again.machine.Resume(again.now, messages.ResumeExecution{Key: "exec-1", Seen: w.records[0].Seen, Snapshot: w.state}, 0.9)
			if err != nil {
				t.Fatal(err)
			}
			again.perform(effects)
			again.run(10 * time.Minute)
			got := again.alert()
			if got.Kind != row.want || !strings.Contains(strings.Join(got.Degraded, " "), row.text) {
				t.Errorf("want %s (%q), got %s %q", row.want, row.text, got.Kind, got.Degraded)
			}
			if row.text == "" && len(got.Degraded) > 0 {
				t.Errorf("want a complete alert, got %q", got.Degraded)
			}
		})
	}
}

func TestMachine_saysWhatDidNotHappenInTime(t *testing.T) {
	for _, row := range []struct {
		name, want string
		needs      destination.Needs
		silent     func(any) bool
	}{
		{"no answer", "did not answer within", destination.Needs{}, func(any) bool { return true }},
		{"no result", "did not answer within", destination.Needs{Execution: true}, func(command any) bool {
			_, is := command.(messages.LookupExecution)
			return is
		}},
		{"no final result", "did not become final within", destination.Needs{FinalState: true}, nil},
		{"no end", "did not become final within", destination.Needs{Execution: true}, nil},
	} {
		repo := known(qlik.TaskReload)
		repo.silent = row.silent
		repo.execution = func(time.Time) messages.Execution { return messages.Execution{Known: true, Status: qlik.StatusStarted} }
		w := newWorld(t, everyKind(row.needs), repo.answer)
		w.machine.rules.FinalAttempts = 1000
		w.observe(0, event(messages.FamilySucceeded), 0)
		w.run(time.Hour)
		if got := w.alert(); len(got.Degraded) != 1 || !strings.Contains(got.Degraded[0], row.want) {
			t.Errorf("%s: want %q, got %q", row.name, row.want, got.Degraded)
		}
	}
}

func TestMachine_tellsOneOutcomeOnce(t *testing.T) {
	tests := []struct {
		name   string
		typ    qlik.TaskType
		events []messages.Family
		want   []messages.AlertKind
	}{
		{"distribute completion and success", qlik.TaskDistribute, []messages.Family{messages.FamilyDistribute, messages.FamilySucceeded}, []messages.AlertKind{messages.DistributeTaskSucceeded}},
		{"success and distribute completion", qlik.TaskDistribute, []messages.Family{messages.FamilySucceeded, messages.FamilyDistribute}, []messages.AlertKind{messages.DistributeTaskSucceeded}},
		{"abort, then fail", qlik.TaskReload, []messages.Family{messages.FamilyAborted, messages.FamilyFailed}, []messages.AlertKind{messages.ReloadTaskAborted, messages.ReloadTaskFailed}},
	}
	for _, tt := range tests {
		for _, apart := range []time.Duration{0, 3 * time.Second} {
			t.Run(tt.name+"/"+apart.String(), func(t *testing.T) {
				repo := known(tt.typ)
				repo.delay = time.Second
				w := newWorld(t, everyKind(everything), repo.answer)
				for i, f := range tt.events {
					w.observe(time.Duration(i)*apart, event(f), uint32(i))
				}
				w.run(time.Hour)
				var got []messages.AlertKind
				for _, r := range w.records {
					if len(r.Decision.Notices) > 0 {
						got = append(got, r.Decision.Alert.Kind)
					}
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
				if len(w.handled) != len(tt.events) {
					t.Errorf("want every event handled, got %d", len(w.handled))
				}
			})
		}
	}
}

func TestMachine_stopsFollowingWhenAnotherEventTellsTheOutcome(t *testing.T) {
	w, _ := distributing(t)
	w.observe(0, event(messages.FamilySucceeded), 1)
	w.run(time.Minute)
	if got := w.alert(); got.Kind != messages.DistributeTaskSucceeded || w.state != nil || !w.finished {
		t.Errorf("want one success and nothing followed, got %s; state %s; finished %v", got.Kind, w.state, w.finished)
	}
}

// What was seen is remembered for as long as the task is followed, whatever else comes.
func TestMachine_remembersNoShorterBecauseOfAnotherEvent(t *testing.T) {
	w, repo := distributing(t)
	w.observe(0, event(messages.FamilyAborted), 1)
	w.run(time.Minute)
	followed := epoch.Add(w.machine.rules.FollowFor + w.machine.rules.RememberFor)
	if got := w.records[1].Seen; len(w.records) != 2 || got.Until.Before(followed) {
		t.Errorf("after %d records it is remembered until %s, want %s", len(w.records), got.Until, followed)
	}
	repo.task.LastStatus = qlik.StatusFinishedFail
	w.run(time.Minute)
	if want := w.now.Add(w.machine.rules.RememberFor); !w.finished || w.left.Until.After(want) {
		t.Errorf("finished %v, remembered until %s, want at most %s", w.finished, w.left.Until, want)
	}
}

// Whoever has heard how a distribute task ended is not notified of a failure because
// nobody saw it end.
func TestMachine_knowsTheEndOfADistributeTaskFromAnotherEvent(t *testing.T) {
	replaced := func(repo *repository) { repo.task.LastResultID = "r2" }
	silent := func(repo *repository) { repo.fail = failing[messages.LookupTask](messages.FailureUnavailable) }
	answering := func(repo *repository) { repo.fail = nil }
	success := []messages.AlertKind{messages.DistributeTaskSucceeded}
	for _, tt := range []struct {
		name   string
		events []messages.Family
		// unwanted is what nobody is to be told of.
		unwanted messages.AlertKind
		before   func(*repository)
		after    func(*repository)
		want     []messages.AlertKind
	}{
		{"told before, then replaced", []messages.Family{messages.FamilySucceeded, messages.FamilyDistribute}, "", nil, replaced, success},
		{"told before, and never final", []messages.Family{messages.FamilySucceeded, messages.FamilyDistribute}, "", nil, nil, success},
		{"of no interest, then replaced", []messages.Family{messages.FamilyDistribute, messages.FamilySucceeded}, messages.DistributeTaskSucceeded, nil, replaced, nil},
		{"of no interest, and never final", []messages.Family{messages.FamilySucceeded, messages.FamilyDistribute}, messages.DistributeTaskSucceeded, nil, nil, nil},
		{"told as that of a reload, and never seen", []messages.Family{messages.FamilyDistribute, messages.FamilyFailed}, "", silent, nil, []messages.AlertKind{messages.ReloadTaskFailed}},
		{"told as that of a reload, and never final", []messages.Family{messages.FamilyDistribute, messages.FamilyFailed}, "", silent, answering, []messages.AlertKind{messages.ReloadTaskFailed, messages.DistributeTaskFailed}},
		{"not known from elsewhere", []messages.Family{messages.FamilyDistribute, messages.FamilyAborted}, "", nil, replaced, []messages.AlertKind{messages.DistributeTaskFailed}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			repo := known(qlik.TaskDistribute)
			repo.task.LastStatus = qlik.StatusStarted
			if tt.before != nil {
				tt.before(repo)
			}
			to := everyKind(destination.Needs{})
			delete(to.kinds, tt.unwanted)
			w := newWorld(t, to, repo.answer)
			for i, family := range tt.events {
				w.observe(0, event(family), uint32(i))
				w.run(5 * time.Second)
			}
			w.run(time.Minute)
			if tt.after != nil {
				tt.after(repo)
			}
			w.run(10 * time.Hour)
			var got []messages.AlertKind
			for _, r := range w.records {
				if len(r.Decision.Notices) > 0 {
					got = append(got, r.Decision.Alert.Kind)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || w.state != nil || !w.finished {
				t.Errorf("state %s, finished %v, alerts (-want +got):\n%s", w.state, w.finished, diff)
			}
		})
	}
}

func TestMachine_resumesNothingOfWhichTheEndIsTold(t *testing.T) {
	for _, bare := range []bool{false, true} {
		repo := known(qlik.TaskDistribute)
		repo.task.LastStatus = qlik.StatusStarted
		w := newWorld(t, everyKind(everything), repo.answer)
		w.observe(0, event(messages.FamilyDistribute), 0)
		w.run(time.Hour)

		again := newWorld(t, everyKind(everything), repo.answer)
		again.now = w.now
		repo.task.LastStatus = qlik.StatusError
		seen := w.records[0].Seen.WithKind(messages.DistributeTaskSucceeded)
		effects, err := again.machine.Resume(again.now, messages.ResumeExecution{Key: "exec-1", Seen: seen, Snapshot: w.state, Bare: bare}, 0.5)
		if err != nil {
			t.Fatal(err)
		}
		again.perform(effects)
		again.run(time.Hour)
		if got := again.outcomes(); !slices.Equal(got, []string{"already_alerted"}) || !again.finished || again.state != nil {
			t.Errorf("bare %t: want the following ended without a word, got %v, finished %v, state %s", bare, got, again.finished, again.state)
		}
	}
}

func TestMachine_resumesWhatItFollowed(t *testing.T) {
	repo := known(qlik.TaskDistribute)
	repo.task.LastStatus = qlik.StatusStarted
	w := newWorld(t, everyKind(everything), repo.answer)
	w.observe(0, event(messages.FamilyDistribute), 0)
	w.run(time.Hour)

	again := newWorld(t, everyKind(everything), repo.answer)
	again.now = w.now
	effects, err := again.machine.Resume(again.now, messages.ResumeExecution{Key: "exec-1", Seen: w.records[0].Seen, Snapshot: w.state}, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	again.perform(effects)
	again.run(24 * time.Hour)
	got := again.alert()
	if after := got.DecidedAt.Sub(epoch); after != 6*time.Hour {
		t.Errorf("want it given up 6h after the event, not after the restart; got %s", after)
	}
	if len(again.handled) != 0 {
		t.Errorf("want no event acknowledged twice, got %d", len(again.handled))
	}
}

func TestMachine_decidesBareWithoutAskingAnybody(t *testing.T) {
	w := newWorld(t, everyKind(everything), known(qlik.TaskReload).answer)
	w.send(0, messages.TaskEventObserved{PlacedEvent: messages.PlacedEvent{Key: "exec-1", Event: event(messages.FamilyFailed)}, Bare: true})
	w.run(time.Minute)
	if got := w.alert(); len(w.asked) != 0 || len(got.Degraded) == 0 {
		t.Errorf("want a degraded alert without a look-up, got %d look-ups, %q", len(w.asked), got.Degraded)
	}
}

func TestMachine_boundsTheScriptLogOfAnAlert(t *testing.T) {
	repo := known(qlik.TaskReload)
	long := strings.Repeat("x", messages.MaxScriptLog/4)
	repo.log = messages.ScriptLog{Available: true, Head: []string{"first", long, long, long, long}, Tail: []string{long, long, long, long, "last"}}
	w := newWorld(t, everyKind(everything), repo.answer)
	w.observe(0, event(messages.FamilyFailed), 0)
	w.run(time.Hour)
	got := w.alert().ScriptLog
	if len(got.Head) != 4 || got.Head[0] != "first" || len(got.Tail) != 4 || got.Tail[3] != "last" {
		t.Errorf("want the outer ends of head and tail, got %d and %d lines", len(got.Head), len(got.Tail))
	}
}

func TestResume_refusesWhatItCannotRead(t *testing.T) {
	for _, snapshot := range []string{"", "{", `{"v":99}`, "[]"} {
		if _, err := NewMachine(rules(everyKind(everything)), messages.Ref{}).Resume(epoch, messages.ResumeExecution{Key: "k", Snapshot: []byte(snapshot)}, 0); err == nil {
			t.Errorf("want an error for %q", snapshot)
		}
	}
}

func TestResume_endsBareWithAnAlertOfWhatCanStillBeRead(t *testing.T) {
	for name, snapshot := range map[string]string{
		"a snapshot of this release":  `{"v":1,"follows":[{"event":{"family":4,"taskId":"t","executionId":"exec-1"},"follow":{"since":"2026-05-06T14:23:45Z"}}]}`,
		"a snapshot of a later one":   `{"v":99,"follows":[{"event":{"taskId":"t","executionId":"exec-1"},"follow":"new"}],"more":1}`,
		"what is followed is damaged": `{"v":1,"follows":[{"event":{"taskId":"t"},"follow":{"since":"never"}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, everyKind(everything), known(qlik.TaskDistribute).answer)
			effects, err := w.machine.Resume(w.now, messages.ResumeExecution{Key: "exec-1", Snapshot: []byte(snapshot), Bare: true}, 0)
			if err != nil {
				t.Fatal(err)
			}
			w.perform(effects)
			w.run(time.Minute)
			got := w.alert()
			if got.Kind != messages.DistributeTaskFailed || got.Event.TaskID != "t" || len(got.Degraded) == 0 {
				t.Errorf("want a degraded alert of the followed event, got %+v", got)
			}
			if len(w.asked) > 0 || w.state != nil || !w.finished {
				t.Errorf("want nobody asked and nothing followed, got %v, %s, finished %t", w.asked, w.state, w.finished)
			}
		})
	}
	for _, snapshot := range []string{"", "{", `{"v":99}`, "[]", `{"follows":[7]}`} {
		if _, err := NewMachine(rules(everyKind(everything)), messages.Ref{}).Resume(epoch, messages.ResumeExecution{Snapshot: []byte(snapshot), Bare: true}, 0); err == nil {
			t.Errorf("want an error for %q", snapshot)
		}
	}
}

// Whatever the QRS answers, and whenever: every event is handled exactly once and in
// time, every kind is alerted at most once, an alert that lacks something says so, and
// the execution finishes.
func TestMachine_alwaysEnds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		needs := destination.Needs{
			App: rapid.Bool().Draw(rt, "app"), Owner: rapid.Bool().Draw(rt, "owner"), Execution: rapid.Bool().Draw(rt, "execution"),
			FinalState: rapid.Bool().Draw(rt, "final"), ScriptTail: rapid.IntRange(0, 1).Draw(rt, "tail"),
		}
		repo := known(qlik.TaskType(rapid.IntRange(-1, 5).Draw(rt, "type")))
		answer := func(now time.Time, command any) (any, time.Duration) {
			repo.delay = time.Duration(rapid.IntRange(0, 40).Draw(rt, "delay")) * time.Second
			repo.task.LastStatus = qlik.ExecutionStatus(rapid.IntRange(-1, 15).Draw(rt, "status"))
			repo.fail = func(any) messages.Failure {
				return messages.Failure{Kind: messages.FailureKind(rapid.SampledFrom([]int{0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6}).Draw(rt, "failure")), Text: "x"}
			}
			if rapid.IntRange(0, 9).Draw(rt, "silent") == 0 {
				// qrsgate answers every command by its deadline at the latest.
				repo.delay, repo.fail = 30*time.Second, func(any) messages.Failure { return messages.Failure{Kind: messages.FailureTimeout} }
			}
			return repo.answer(now, command)
		}
		w := newWorld(t, everyKind(needs), answer)
		w.machine.rules.FollowFor = 10 * time.Minute
		events, observed := rapid.IntRange(1, 4).Draw(rt, "events"), []time.Duration{}
		for i := range events {
			family := rapid.SampledFrom(messages.Families()[:4]).Draw(rt, "family")
			observed = append(observed, time.Duration(rapid.IntRange(0, 100).Draw(rt, "at"))*time.Second)
			w.observe(observed[i], event(family), uint32(i))
		}
		w.run(time.Hour)
		if len(w.inputs) > 0 && !w.finished {
			rt.Fatalf("still running after an hour: %v", w.outcomes())
		}
		for _, told := range w.tells {
			took := told.At.Sub(epoch.Add(observed[told.Place.Index]))
			if told.Alert.Event.Family != messages.FamilyDistribute && took > w.machine.rules.DegradedAfter {
				rt.Fatalf("an event waited %s for %s", took, told.Outcome)
			}
		}
		seen := map[messages.EventPosition]bool{}
		for _, h := range w.handled {
			if seen[h.At] {
				rt.Fatalf("event %v handled twice", h.At)
			}
			seen[h.At] = true
		}
		if len(seen) != events || len(w.machine.works) != 0 {
			rt.Fatalf("want %d events handled and no work left, got %d and %d", events, len(seen), len(w.machine.works))
		}
		alerted := map[messages.AlertKind]bool{}
		for _, r := range w.records {
			if len(r.Decision.Notices) == 0 {
				continue
			}
			if alerted[r.Decision.Alert.Kind] {
				rt.Fatalf("%s alerted twice", r.Decision.Alert.Kind)
			}
			alerted[r.Decision.Alert.Kind] = true
			if a := r.Decision.Alert; len(a.Degraded) == 0 && lacks(a, needs) != "" {
				rt.Fatalf("the %s of %s is missing, and that is not said", lacks(a, needs), a.Kind)
			}
		}
		if w.state != nil {
			rt.Fatal("want no state left")
		}
	})
}

// lacks names something that a destination needs and an alert does not have, "" for nothing.
func lacks(a *messages.Alert, needs destination.Needs) string {
	switch {
	case !a.Task.Known:
		return "task"
	case (needs.App || needs.Owner) && !a.App.Known:
		return "app"
	case needs.Owner && !a.Owner.Known:
		return "app owner"
	case (needs.Execution || needs.FinalState) && !a.Execution.Known:
		return "execution result"
	case needs.ScriptTail > 0 && a.Task.Type == qlik.TaskReload && !a.ScriptLog.Available:
		return "script log"
	}
	return ""
}

// The datagram of an end may come before the repository has it.
func TestMachine_readsAResultAgainUntilTheExecutionHasEnded(t *testing.T) {
	started := messages.Execution{Known: true, Status: qlik.StatusStarted, Start: "2026-05-06T14:20:00.000Z", Stop: qlik.NeverDate}
	ended := started
	ended.Status, ended.Stop, ended.Duration = qlik.StatusFinishedFail, "2026-05-06T14:23:45.000Z", 225*time.Second
	newer := started
	newer.Start = "2026-05-06T14:30:00.000Z"
	retry, again := ended, started
	retry.Status = qlik.StatusRetry
	again.Details = []messages.ExecutionDetail{{Message: "Changing task state from Started to FinishedFail"}, {Message: "Changing task state from Retry to Started"}}
	const running = "its state there is Started"
	tests := []struct {
		name    string
		typ     qlik.TaskType
		noLog   bool
		first   messages.Execution
		endedAt time.Duration
		want    []string
		after   time.Duration
		status  qlik.ExecutionStatus
		note    string
	}{
		{"ended at once", qlik.TaskPreload, false, started, 0, []string{"execution"}, 0, qlik.StatusFinishedFail, ""},
		{"ended after two seconds", qlik.TaskPreload, false, started, 2 * time.Second, []string{"execution", "execution", "execution"}, 2 * time.Second, qlik.StatusFinishedFail, ""},
		{"never ended", qlik.TaskPreload, false, started, time.Hour, []string{"execution", "execution", "execution", "execution", "execution"}, 4 * time.Second, qlik.StatusStarted, running},
		{"a newer execution runs", qlik.TaskPreload, false, newer, time.Hour, []string{"execution"}, 0, qlik.StatusStarted, "newer execution"},
		{"to be tried again", qlik.TaskPreload, false, retry, time.Hour, []string{"execution"}, 0, qlik.StatusRetry, ""},
		{"tried again", qlik.TaskPreload, false, again, time.Hour, []string{"execution"}, 0, qlik.StatusStarted, ""},
		{"log before the end", qlik.TaskReload, false, started, time.Second, []string{"log", "execution"}, time.Second, qlik.StatusFinishedFail, ""},
		{"each look at a log that is not there was one at the result", qlik.TaskReload, true, started, time.Hour, []string{"log"}, 0, qlik.StatusStarted, running},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			repo := known(tt.typ)
			if tt.noLog {
				repo.log = messages.ScriptLog{}
			}
			repo.execution = func(now time.Time) messages.Execution {
				if now.Before(epoch.Add(tt.endedAt)) {
					return tt.first
				}
				return ended
			}
			w := newWorld(t, everyKind(destination.Needs{Execution: true, ScriptTail: 3}), repo.answer)
			w.observe(0, event(messages.FamilyFailed), 0)
			w.run(time.Hour)
			got := w.alert()
			if diff := cmp.Diff(append([]string{"task"}, tt.want...), lookups(w.asked)); diff != "" {
				t.Error(diff)
			}
			if got.DecidedAt.Sub(epoch) != tt.after || got.Execution.Status != tt.status {
				t.Errorf("want %s after %s, got %s after %s", tt.status, tt.after, got.Execution.Status, got.DecidedAt.Sub(epoch))
			}
			if said := strings.Join(got.Degraded, "; "); !strings.Contains(said, tt.note) || tt.note == "" && said != "" {
				t.Errorf("want %q said, got %q", tt.note, said)
			}
		})
	}
}

func TestMachine_waitsForTheEndOfAnExecutionOnlyWhereItsStateIsWanted(t *testing.T) {
	repo := known(qlik.TaskReload)
	repo.execution = func(time.Time) messages.Execution { return messages.Execution{Known: true, Status: qlik.StatusStarted} }
	w := newWorld(t, everyKind(destination.Needs{ScriptTail: 3}), repo.answer)
	w.observe(0, event(messages.FamilyFailed), 0)
	w.run(time.Hour)
	if got := w.alert(); !got.DecidedAt.Equal(epoch) || len(got.Degraded) > 0 || len(w.asked) != 2 {
		t.Errorf("want it told at once, got %s, %q, asked %v", got.DecidedAt.Sub(epoch), got.Degraded, lookups(w.asked))
	}
}

func TestMachine_saysThatAnExecutionWasNotSeenToEndWhoseLogCannotBeHad(t *testing.T) {
	repo := known(qlik.TaskReload)
	w := newWorld(t, everyKind(destination.Needs{Execution: true, ScriptTail: 3}), func(now time.Time, command any) (any, time.Duration) {
		reply, after := repo.answer(now, command)
		if log, ok := reply.(messages.FetchScriptLogReply); ok {
			log.Execution = messages.Execution{Known: true, Status: qlik.StatusStarted}
			log.ScriptLog, log.Exhausted = messages.ScriptLog{}, true
			log.Failure = messages.Failure{Kind: messages.FailureUnavailable, Text: "no ticket"}
			reply = log
		}
		return reply, after
	})
	w.observe(0, event(messages.FamilyFailed), 0)
	w.run(time.Hour)
	if said := strings.Join(w.alert().Degraded, "; "); !strings.Contains(said, "could not be fetched") || !strings.Contains(said, "its state there is Started") {
		t.Errorf("want both said, got %q", said)
	}
}

func TestMachine_saysThatASuccessWasNeverSeenToEnd(t *testing.T) {
	repo := known(qlik.TaskReload)
	repo.execution = func(time.Time) messages.Execution { return messages.Execution{Known: true, Status: qlik.StatusStarted} }
	for _, needs := range []destination.Needs{{Execution: true, FinalState: true}, {FinalState: true}} {
		w := newWorld(t, everyKind(needs), repo.answer)
		w.observe(0, event(messages.FamilySucceeded), 0)
		w.run(time.Hour)
		if got := w.alert().Degraded; len(got) != 1 || !strings.Contains(got[0], "its state there is Started") || len(w.asked) != 6 {
			t.Errorf("want that said after five looks, got %q, asked %v", got, lookups(w.asked))
		}
	}
}

// The event may be of a task whose log nobody wants, so that nothing else tells of it.
func TestMachine_saysThatTheResultOfASuccessCannotBeHad(t *testing.T) {
	for _, row := range []struct {
		name    string
		failure messages.Failure
		want    string
	}{
		{"out of reach", messages.Failure{Kind: messages.FailureUnavailable, Text: "connection refused"}, "could not be looked up"},
		{"not there", messages.Failure{Kind: messages.FailureNotFound, Text: "no result"}, "has no execution result"},
		{"refused", messages.Failure{Kind: messages.FailureRejected, Text: "forbidden"}, "was refused"},
	} {
		repo := known(qlik.TaskPreload)
		repo.fail = func(command any) messages.Failure {
			if _, result := command.(messages.LookupExecution); result {
				return row.failure
			}
			return messages.Failure{}
		}
		w := newWorld(t, everyKind(destination.Needs{Execution: true, FinalState: true}), repo.answer)
		w.observe(0, event(messages.FamilySucceeded), 0)
		w.run(time.Hour)
		if got := w.alert().Degraded; len(got) != 1 || !strings.Contains(got[0], row.want) {
			t.Errorf("%s: want %q said, got %q, asked %v", row.name, row.want, got, lookups(w.asked))
		}
	}
}

func TestMachine_asksOnceForTheLogOfASuccessOfWhichNothingIsKnown(t *testing.T) {
	repo, looks := known(qlik.TaskReload), 0
	repo.fail = func(command any) messages.Failure {
		_, task := command.(messages.LookupTask)
		if looks++; task || looks > 20 { // or asking in a circle would never end
			return messages.Failure{}
		}
		return messages.Failure{Kind: messages.FailureNotFound, Text: "no result"}
	}
	repo.execution = func(time.Time) messages.Execution { return messages.Execution{} }
	w := newWorld(t, everyKind(destination.Needs{Execution: true, FinalState: true, ScriptTail: 3}), repo.answer)
	w.observe(0, event(messages.FamilySucceeded), 0)
	w.run(time.Hour)
	want := []string{"task", "execution", "execution", "execution", "execution", "execution", "log", "execution"}
	if diff := cmp.Diff(want, lookups(w.asked)); diff != "" {
		t.Error(diff)
	}
}
