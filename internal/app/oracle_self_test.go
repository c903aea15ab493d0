package app_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"butler/internal/outbox"
	"butler/internal/qlik"
	"butler/messages"
)

// TestOracle_findsWhatIsWrong gives the oracle runs with errors: an oracle that finds
// nothing proves nothing.
func TestOracle_findsWhatIsWrong(t *testing.T) {
	const id = "5e3b0a56-0000-4000-8000-000000000001"
	start := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	told := func(name, notice string, seconds float64) receipt {
		return receipt{sink: name, notice: notice, instance: notice, execution: id, at: at(seconds)}
	}
	point := func(seconds float64) receipt { return told(sinkInflux, "influx/user_sync_task_failed", seconds) }
	for _, row := range []struct {
		name    string
		change  func(*oracle)
		problem string // "" for none
	}{
		{"a run without a fault", func(*oracle) {}, ""},
		{"nobody was notified", func(o *oracle) { o.receipts = nil }, "was lost"},
		{"the wrong measurement was written", func(o *oracle) {
			o.receipts = append(o.receipts, told(sinkInflux, "influx/user_sync_task_success", 5))
		}, "of which nothing was accepted"},
		{"told of what was not accepted", func(o *oracle) { o.accepted = nil; o.lives = nil }, "of which nothing was accepted"},
		{"not accepted in spite of a healthy service", func(o *oracle) { o.accepted, o.receipts = nil, nil }, "was not accepted"},
		{"not accepted, and the machine stood still until the service ended", func(o *oracle) {
			o.accepted, o.receipts, o.decided, o.stalled = nil, nil, nil, []span{{at(5.5), at(8)}}
		}, ""},
		{"not accepted, and the machine stood still for less", func(o *oracle) {
			o.accepted, o.receipts, o.decided, o.stalled = nil, nil, nil, []span{{at(5.5), at(7)}}
		}, "was not accepted"},
		{"not accepted while the service was down", func(o *oracle) {
			o.accepted, o.receipts, o.decided = nil, nil, nil
			o.sent[0].at = at(10.2)
		}, ""},
		{"a hostile datagram was accepted", func(o *oracle) { o.sent[0].welcome = false }, "hostile"},
		{"accepted more often than sent", func(o *oracle) { o.accepted = append(o.accepted, o.accepted[0]) }, "2 times in the journal"},
		{"decided and not accepted", func(o *oracle) {
			o.accepted, o.receipts, o.lives = nil, nil, nil
		}, "which is not in its journal"},
		{"no decision was seen", func(o *oracle) { o.decided = map[string]bool{} }, "the log tells of no decision"},
		{"an onlooker saw nothing", func(o *oracle) { o.watched = true }, "the onlooker saw none acknowledged"},
		{"an onlooker saw all", func(o *oracle) { o.watched, o.acknowledged = true, 1 }, ""},
		{"an onlooker saw more than the journal has", func(o *oracle) { o.watched, o.acknowledged = true, 2 }, "an onlooker saw 2 accepted"},
		{"accepted and never sent", func(o *oracle) { delete(o.executions, id) }, "never sent"},
		{"told twice by one process", func(o *oracle) { o.receipts = append(o.receipts, point(6)) }, "told twice without a reason"},
		{"told again after a kill", func(o *oracle) { o.receipts = []receipt{point(9.9), point(10.6)} }, ""},
		{"told again after a kill that was long after", func(o *oracle) { o.receipts = []receipt{point(5), point(10.6)} }, "told twice without a reason"},
		{"told again after a kill that was long after, and the machine stood still", func(o *oracle) {
			o.receipts, o.stalled = []receipt{point(5), point(10.6)}, []span{{at(5.5), at(6.5)}, {at(7), at(8.5)}}
		}, ""},
		{"told again after a kill that was long after, and the machine stood still for less", func(o *oracle) {
			o.receipts, o.stalled = []receipt{point(5), point(10.6)}, []span{{at(5.5), at(6.5)}, {at(7), at(7.9)}}
		}, "told twice without a reason"},
		{"told again after a kill that was long after, and the machine stood still while something held up the service", func(o *oracle) {
			o.receipts, o.stalled, o.blocked = []receipt{point(5), point(10.6)}, []span{{at(5.5), at(7)}}, []span{{at(5.5), at(7.2)}}
		}, "told twice without a reason"},
		{"told again after a kill that was long after, and the machine stood still before", func(o *oracle) {
			o.receipts, o.stalled = []receipt{point(5), point(10.6)}, []span{{at(1), at(4.9)}}
		}, "told twice without a reason"},
		{"told before a kill, and seen late", func(o *oracle) {
			o.receipts, o.stalled = []receipt{point(10.9), point(11.6)}, []span{{at(10.2), at(10.8)}}
		}, ""},
		{"told after a kill, and again without another", func(o *oracle) { o.receipts = []receipt{point(10.9), point(11.6)} }, "told twice without a reason"},
		{"told again after an end in good order", func(o *oracle) {
			o.receipts = []receipt{point(9.9), point(10.6)}
			o.lives[0].killed = false
		}, "told twice without a reason"},
		{"told again after a connection was cut", func(o *oracle) {
			o.receipts = append(o.receipts, point(6))
			o.cuts = map[string][]cut{sinkInflux: {{"it went away", at(5.1), at(5.1)}}}
		}, ""},
		{"told again after another connection was cut", func(o *oracle) {
			o.receipts = append(o.receipts, point(6))
			o.cuts = map[string][]cut{sinkMail: {{"it went away", at(5.1), at(5.1)}}}
		}, "told twice without a reason"},
		{"told again because the answer was kept back", func(o *oracle) {
			o.receipts = append(o.receipts, point(6))
			o.receipts[0].unanswered = true
		}, ""},
		{"more told again than were in flight", func(o *oracle) {
			o.receipts = []receipt{point(9.9), point(10.6)}
			o.inFlight[sinkInflux] = 0
		}, "more than the 0"},
		{"parked without a refusal", func(o *oracle) {
			o.receipts = nil
			o.parked = []outbox.Parked{{
				Kind: messages.UserSyncTaskFailed, Key: id, Instance: "influxdb/user_sync_task_failed", Integration: "influxdb",
				Cause: outbox.Rejected, Reason: "because",
			}}
		}, "nobody refused it"},
		{"a notice is left", func(o *oracle) { o.waiting = 1 }, "1 notices wait"},
		{"a point was overwritten", func(o *oracle) { o.stored = nil }, "overwritten in the database"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := &oracle{
				start: start, inFlight: map[string]int{sinkInflux: 1},
				lives:      []life{{began: start, ready: at(1), ending: at(10), ended: at(10.1), killed: true}, {began: at(10.5), ready: at(11), ending: at(20), ended: at(20.1), killed: true}},
				sent:       []sentDatagram{{at: at(5), family: messages.FamilyFailed, execution: id, payload: []byte("event"), welcome: true}},
				executions: map[string]*execution{id: {id: id, typ: qlik.TaskUserSync, known: true, final: qlik.StatusFinishedFail}},
				accepted:   []acceptedEvent{{execution: id, family: messages.FamilyFailed, payload: "event"}},
				decided:    map[string]bool{id + " " + messages.FamilyFailed.String(): true},
				receipts:   []receipt{point(5)},
				stored:     map[string]bool{point(5).id(): true},
			}
			row.change(o)
			o.wantsProblem(t, row.problem)
		})
	}
}

// wantsProblem fails unless the oracle finds the problem, or none if that is "".
func (o *oracle) wantsProblem(t *testing.T, want string) {
	t.Helper()
	problems := strings.Join(o.judge(), "\n")
	if (want == "") != (problems == "") || !strings.Contains(problems, want) {
		t.Errorf("want the problem %q, got %q", want, problems)
	}
}

// TestOracle_findsWhatIsWrongWithAReload is about the destinations that only reloads have.
func TestOracle_findsWhatIsWrongWithAReload(t *testing.T) {
	const (
		id      = "5e3b0a56-0000-4000-8000-000000000002"
		file    = "2026-05-06/2026-05-06_12-00-05_appId=app_taskId=task.log"
		ownFile = "2026-05-06/2026-05-06_12-00-05_appId=app_taskId=task_executionId=5e3b0a56-0000-4000-8000-000000000003.log"
		text    = "2026-05-06 12:00:00 Execution started.\n2026-05-06 12:00:00 App: Sales (app)\n2026-05-06 12:00:04 Execution finished.\n"
	)
	at := time.Date(2026, 5, 6, 12, 0, 6, 0, time.UTC)
	told := func(name, notice string) receipt {
		return receipt{sink: name, notice: notice, instance: notice, execution: id, at: at, task: "task"}
	}
	slack := told(sinkHTTP, "slack/failed")
	parked := []outbox.Parked{{
		Kind: messages.ReloadTaskFailed, Key: id, Instance: "slack/reload_task_failed", Integration: "slack",
		Cause: outbox.Rejected, Reason: "because",
	}}
	// overtaken is a run in which Slack got two failures of a task, and the first is also
	// held back.
	overtaken := func(o *oracle) {
		const again = "5e3b0a56-0000-4000-8000-000000000003"
		second := *o.executions[id]
		second.id = again
		o.executions[again] = &second
		o.accepted = append(o.accepted, acceptedEvent{execution: again, family: messages.FamilyFailed, payload: "again", file: file})
		o.sent = append(o.sent, sentDatagram{at: at, family: messages.FamilyFailed, execution: again, payload: []byte("again"), welcome: true})
		for _, r := range slices.Clone(o.receipts) {
			r.execution, r.at = again, at.Add(5*time.Second)
			o.receipts = append(o.receipts, r)
		}
		o.stored[again+" influx/reload_task_failed"] = true
		o.windows = map[string]int{"slack/reload_task_failed task": 1}
	}
	for _, row := range []struct {
		name    string
		change  func(*oracle)
		problem string // "" for none
	}{
		{"a run without a fault", func(*oracle) {}, ""},
		{"the wrong person was told", func(o *oracle) {
			o.receipts = append(o.receipts, told(sinkMail, mailNotice("reload failed", "somebody@example.com")))
		}, "of which nothing was accepted"},
		{"a script log is not on disk", func(o *oracle) { o.archive = nil }, "is not on disk"},
		{"an event came twice, and its time leads nowhere", func(o *oracle) {
			second := o.accepted[0]
			second.file = "2026-05-06/2026-05-06_12-00-09_appId=app_taskId=task.log"
			o.accepted, o.sent = append(o.accepted, second), append(o.sent, o.sent[0])
		}, ""},
		{"a script log has a name from a clock that jumped", func(o *oracle) {
			o.accepted[0].timeless = "_appId=app_taskId=task.log"
		}, ""},
		{"a script log with a name from a clock that jumped is not on disk", func(o *oracle) {
			o.accepted[0].timeless, o.archive = "_appId=app_taskId=task.log", nil
		}, "no script log of execution"},
		{"a script log without a time shares the name of another failure of its task", func(o *oracle) {
			overtaken(o)
			o.windows, o.accepted[1].timeless = nil, "_appId=app_taskId=task.log"
		}, ""},
		{"a script log without a time cannot be that of another failure of its task", func(o *oracle) {
			overtaken(o)
			o.windows, o.accepted[1].timeless, o.sent[1].at = nil, "_appId=app_taskId=task.log", at.Add(2*time.Second)
		}, "no script log of execution"},
		{"no script log could be fetched", func(o *oracle) {
			o.archive, o.logless = nil, map[string]bool{id: true}
		}, "1 script logs could not be fetched"},
		{"a script log is not whole", func(o *oracle) { o.archive[file] = o.archive[file][:60] }, "is not the whole script log"},
		{"a script log of another app is in its place", func(o *oracle) {
			o.archive[file] = strings.ReplaceAll(o.archive[file], "(app)", "(other)")
		}, "is not the whole script log"},
		{"a second script log in the same second has a name of its own", func(o *oracle) {
			overtaken(o)
			o.windows, o.archive[ownFile] = nil, o.archive[file]
		}, ""},
		{"a script log has a name of its own although nobody else has its name", func(o *oracle) {
			overtaken(o)
			o.windows, o.archive[ownFile] = nil, o.archive[file]
			delete(o.archive, file)
		}, "belongs to no failed reload"},
		{"a script log has the name of an execution that nobody knows", func(o *oracle) { o.archive[ownFile] = o.archive[file] }, "belongs to no failed reload"},
		{"a half-written file is left", func(o *oracle) { o.archive[".part"] = "" }, "belongs to no failed reload"},
		{"Slack was not notified of a task", func(o *oracle) { o.receipts = o.receipts[1:] }, "1 alerts, of which 0 were delivered"},
		{"Slack was told of what was not accepted", func(o *oracle) {
			o.receipts = append(o.receipts, told(sinkHTTP, "slack/aborted"))
		}, "of which nothing was accepted"},
		{"an alert to Slack was held back and not counted", func(o *oracle) {
			o.executions["again"] = o.executions[id]
			o.accepted = append(o.accepted, acceptedEvent{execution: "again", family: messages.FamilyFailed, payload: "event", file: file})
		}, "2 alerts, of which 1 were delivered, and 1 accounted for"},
		{"a refused alert to Slack is parked", func(o *oracle) {
			o.refused, o.receipts, o.parked = map[string]bool{slack.id(): true}, o.receipts[1:], parked
		}, ""},
		{"an alert to Slack without an answer is refused when it is repeated", func(o *oracle) {
			o.refused, o.parked = map[string]bool{slack.id(): true}, parked
			o.receipts[0].unanswered = true
		}, ""},
		{"an alert to Slack is told and parked", func(o *oracle) {
			o.refused, o.parked = map[string]bool{slack.id(): true}, parked
		}, "1 alerts, of which 1 were delivered, and 2 accounted for"},
		{"an alert to Slack is told when the process is killed, and held back after it by another", func(o *oracle) {
			overtaken(o)
			o.lives = []life{{killed: true, ending: at.Add(time.Second), ended: at.Add(2 * time.Second)}}
		}, ""},
		{"an alert to Slack is told, and held back later by another", overtaken, "2 alerts, of which 2 were delivered, and 3 accounted for"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := &oracle{
				start:      at,
				sent:       []sentDatagram{{at: at, family: messages.FamilyFailed, execution: id, payload: []byte("event"), welcome: true}},
				executions: map[string]*execution{id: {id: id, taskID: "task", appID: "app", typ: qlik.TaskReload, known: true, final: qlik.StatusFinishedFail}},
				accepted:   []acceptedEvent{{execution: id, family: messages.FamilyFailed, payload: "event", file: file}},
				decided:    map[string]bool{id + " " + messages.FamilyFailed.String(): true},
				receipts: []receipt{
					slack, told(sinkHTTP, "webhook/failed"), told(sinkInflux, "influx/reload_task_failed"),
					told(sinkMail, mailNotice("reload failed", everyRecipient)),
				},
				stored:  map[string]bool{id + " influx/reload_task_failed": true},
				archive: map[string]string{file: text},
			}
			row.change(o)
			o.wantsProblem(t, row.problem)
		})
	}
}

// TestOracle_blamesWhatHasRoom is about receipts so late that they may be of either
// process.
func TestOracle_blamesWhatHasRoom(t *testing.T) {
	first, second := "influxdb/a when process 1 was killed", "influxdb/a when process 2 was killed"
	either, one, lost := repetition{sink: sinkInflux, cuts: []string{first, second}}, repetition{sink: sinkInflux, cuts: []string{first}},
		repetition{sink: sinkInflux, cuts: []string{first, second}, lost: true}
	for _, row := range []struct {
		all      []repetition
		inFlight map[string]int
		lost     int
	}{
		{[]repetition{either, one}, map[string]int{first: 1, second: 1}, 0},
		{[]repetition{lost, either, one}, map[string]int{first: 1, second: 1}, 1},
		{[]repetition{one, one, either}, map[string]int{first: 2, second: 1}, 0},
		{[]repetition{either, either, either}, map[string]int{first: 2, second: 1}, 0},
	} {
		o := &oracle{inFlight: map[string]int{"influxdb": 1}}
		inFlight, answers := o.blame(row.all)
		if !maps.Equal(inFlight, row.inFlight) || answers[sinkInflux] != row.lost {
			t.Errorf("%v: want %v in flight and %d lost answers, got %v and %v", row.all, row.inFlight, row.lost, inFlight, answers)
		}
	}
}
