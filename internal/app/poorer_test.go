package app_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"butler/internal/qlik"
	"butler/messages"
)

// What an event may lead to while the repository is away: everybody is notified after
// execution.degradedAfter, with what is known. Of a task of which nothing is known
// that is what a reload has to be told of, and nobody knows its owner. A success
// that cannot be seen to be one is told to those only who do not insist.

// poorerWithin is how long after its datagram an event may still be looked up,
// although the repository answered so far: the process may be stopped, killed and
// started meanwhile.
const poorerWithin = 30 * time.Second

// unknown is the execution when nothing is known of its task.
func (e execution) unknown() *execution {
	e.known, e.typ, e.owners = true, qlik.TaskReload, nil
	return &e
}

// notePoorer finds the executions that may have been looked up while the
// repository was away, and those that were told of as reloads.
func (o *oracle) notePoorer() {
	o.poorer, o.reload, o.optional = map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, d := range o.sent {
		if slices.ContainsFunc(o.away, func(s span) bool { return s.touches(d.at, d.at.Add(poorerWithin), 0) }) {
			o.poorer[strings.ToLower(d.execution)] = true
		}
	}
	arrived := map[string]bool{}
	for _, r := range o.receipts {
		arrived[r.id()] = true
	}
	for id := range o.parkedNotices() {
		arrived[id] = true
	}
	for _, a := range o.accepted {
		e := o.executions[a.execution]
		if e == nil || !o.poorer[a.execution] || e.known && e.typ == qlik.TaskReload || a.family == messages.FamilyDistribute {
			continue
		}
		told := func(notice string) bool { return arrived[a.execution+" "+notice] }
		o.reload[a.id()] = slices.ContainsFunc(o.tells(e.unknown(), a.family), told)
	}
}

// checkPoorer makes sure that nobody was notified less than there is to tell without a reason.
func (o *oracle) checkPoorer() {
	for _, execution := range slices.Sorted(maps.Keys(o.gaveUp)) {
		if !o.poorer[execution] {
			o.problem("the service gave up looking for what there is to know of %s, although the repository was not away for long: %s; %s",
				execution, o.gaveUp[execution], o.story(execution))
		}
	}
}

// waitedInVain returns what says that the service has waited for all of
// execution.degradedAfter, "" when nothing does.
func waitedInVain(missing []string) string {
	for _, text := range missing {
		if strings.Contains(text, "did not answer within") || strings.Contains(text, "did not become final within") {
			return text
		}
	}
	return ""
}

// toldAs returns the execution of an event as it was told of, nil when nobody knows it.
func (o *oracle) toldAs(a acceptedEvent) *execution {
	e := o.executions[a.execution]
	if e != nil && o.reload[a.id()] {
		return e.unknown()
	}
	return e
}

// owes lists the notices that an event has to lead to, and notes those that it may lead to.
func (o *oracle) owes(a acceptedEvent, e *execution) []string {
	if !o.poorer[a.execution] {
		return o.tells(e, a.family)
	}
	e = o.toldAs(a)
	nobodysOwn := *e
	nobodysOwn.owners = nil
	must := o.tells(&nobodysOwn, a.family)
	if a.family == messages.FamilySucceeded || a.family == messages.FamilyDistribute && e.final == qlik.StatusFinishedSuccess {
		must = nil
	}
	for _, notice := range o.tells(e, a.family) {
		if !slices.Contains(must, notice) {
			o.optional[a.execution+" "+notice] = true
		}
	}
	return must
}

// asReloads counts the events that were told of as those of reloads, because nothing was known of their tasks.
func (o *oracle) asReloads() (n int) {
	for _, told := range o.reload {
		if told {
			n++
		}
	}
	return n
}

// TestOracle_knowsWhatIsOwedWhenTheRepositoryIsAway is about a failure of which nobody
// could know what it is of.
func TestOracle_knowsWhatIsOwedWhenTheRepositoryIsAway(t *testing.T) {
	const id, task = "5e3b0a56-0000-4000-8000-000000000004", "task"
	at := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	told := func(name, notice string) receipt {
		return receipt{sink: name, notice: notice, instance: notice, execution: id, at: at.Add(20 * time.Second), task: task}
	}
	own := told(sinkInflux, "influx/user_sync_task_failed")
	asReload := []receipt{
		told(sinkInflux, "influx/reload_task_failed"), told(sinkHTTP, "webhook/failed"), told(sinkHTTP, "slack/failed"),
		told(sinkMail, mailNotice("reload failed", everyRecipient)),
	}
	for _, row := range []struct {
		name    string
		change  func(*oracle)
		problem string // "" for none
	}{
		{"told as what it is", func(o *oracle) { o.receipts = []receipt{own} }, ""},
		{"told as a reload", func(*oracle) {}, ""},
		{"told as a reload while the repository answered", func(o *oracle) { o.away = nil }, "of which nothing was accepted"},
		{"told as a reload long before the repository went away", func(o *oracle) {
			o.away[0] = span{at.Add(time.Hour), at.Add(2 * time.Hour)}
		}, "of which nothing was accepted"},
		{"not notified", func(o *oracle) { o.receipts = nil }, "was lost"},
		{"one of those who are told of reloads was not", func(o *oracle) { o.receipts = o.receipts[:3] }, "was lost"},
		{"Slack was not notified", func(o *oracle) { o.receipts = slices.Delete(o.receipts, 2, 3) }, "1 alerts, of which 0 were delivered"},
		{"told as both", func(o *oracle) { o.receipts = append(o.receipts, own) }, "of which nothing was accepted"},
		{"a task that the repository does not have", func(o *oracle) {
			*o.executions[id] = execution{id: id, taskID: task}
		}, ""},
		{"a task that the repository does not have, told to nobody", func(o *oracle) {
			*o.executions[id], o.receipts = execution{id: id, taskID: task}, nil
		}, ""},
		{"a reload, without its owner and its script log", func(o *oracle) {
			e := o.executions[id]
			e.typ, e.owners = qlik.TaskReload, []string{"owner@example.com"}
		}, ""},
		{"a reload, with its owner", func(o *oracle) {
			e := o.executions[id]
			e.typ, e.owners = qlik.TaskReload, []string{"owner@example.com"}
			o.receipts = append(o.receipts, told(sinkMail, mailNotice("reload failed", "owner@example.com")))
		}, ""},
		{"a reload without its owner, while the repository answered", func(o *oracle) {
			e := o.executions[id]
			e.typ, e.owners = qlik.TaskReload, []string{"owner@example.com"}
			o.away = nil
		}, "was lost"},
		{"given up", func(o *oracle) { o.gaveUp = map[string]string{id: "it did not answer within 20s"} }, ""},
		{"given up while the repository answered", func(o *oracle) {
			o.receipts, o.away, o.gaveUp = []receipt{own}, nil, map[string]string{id: "it did not answer within 20s"}
		}, "gave up looking"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := &oracle{
				start:      at,
				sent:       []sentDatagram{{at: at, family: messages.FamilyFailed, execution: id, payload: []byte("event"), welcome: true}},
				executions: map[string]*execution{id: {id: id, taskID: task, appID: "app", typ: qlik.TaskUserSync, known: true, final: qlik.StatusFinishedFail}},
				accepted:   []acceptedEvent{{execution: id, family: messages.FamilyFailed, payload: "event", file: "x.log"}},
				decided:    map[string]bool{id + " " + messages.FamilyFailed.String(): true},
				receipts:   slices.Clone(asReload),
				stored:     map[string]bool{own.id(): true, asReload[0].id(): true},
				away:       []span{{at.Add(-time.Second), at.Add(24 * time.Second)}},
			}
			row.change(o)
			o.wantsProblem(t, row.problem)
		})
	}
}
