package app_test

import (
	"strings"
	"testing"
	"time"

	"butler/internal/outbox"
	"butler/internal/qlik"
	"butler/messages"
)

// TestOracle_findsWhatIsWrong shows the oracle runs that went wrong: one that
// finds nothing proves nothing.
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
		{"nobody was told", func(o *oracle) { o.receipts = nil }, "was lost"},
		{"the wrong measurement was written", func(o *oracle) {
			o.receipts = append(o.receipts, told(sinkInflux, "influx/user_sync_task_success", 5))
		}, "of which nothing was accepted"},
		{"told of what was not accepted", func(o *oracle) { o.accepted = nil; o.lives = nil }, "of which nothing was accepted"},
		{"not accepted in spite of a healthy service", func(o *oracle) { o.accepted, o.receipts = nil, nil }, "was not accepted"},
		{"not accepted while the service was down", func(o *oracle) {
			o.accepted, o.receipts = nil, nil
			o.sent[0].at = at(10.2)
		}, ""},
		{"a hostile datagram was accepted", func(o *oracle) { o.sent[0].welcome = false }, "hostile"},
		{"accepted more often than sent", func(o *oracle) { o.accepted = append(o.accepted, o.accepted[0]) }, "2 times in the journal"},
		{"accepted and never sent", func(o *oracle) { delete(o.executions, id) }, "never sent"},
		{"told twice by one process", func(o *oracle) { o.receipts = append(o.receipts, point(6)) }, "told twice without a reason"},
		{"told again after a kill", func(o *oracle) { o.receipts = []receipt{point(9.9), point(10.6)} }, ""},
		{"told again after a kill that was long after", func(o *oracle) { o.receipts = []receipt{point(5), point(10.6)} }, "told twice without a reason"},
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
	} {
		t.Run(row.name, func(t *testing.T) {
			o := &oracle{
				start: start, inFlight: map[string]int{sinkInflux: 1},
				lives:      []life{{began: start, ready: at(1), ending: at(10), ended: at(10.1), killed: true}, {began: at(10.5), ready: at(11), ending: at(20), ended: at(20.1), killed: true}},
				sent:       []sentDatagram{{at: at(5), family: messages.FamilyFailed, execution: id, payload: []byte("event"), welcome: true}},
				executions: map[string]*execution{id: {id: id, typ: qlik.TaskUserSync, known: true, final: qlik.StatusFinishedFail}},
				accepted:   []acceptedEvent{{execution: id, family: messages.FamilyFailed, payload: "event"}},
				receipts:   []receipt{point(5)},
			}
			row.change(o)
			problems := strings.Join(o.judge(), "\n")
			if (row.problem == "") != (problems == "") || !strings.Contains(problems, row.problem) {
				t.Errorf("want the problem %q, got %q", row.problem, problems)
			}
		})
	}
}
