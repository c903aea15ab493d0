package execution

import (
	"cmp"
	"container/heap"
	"slices"
	"testing"
	"time"

	"butler/internal/destination"
	"butler/internal/qlik"
	"butler/messages"
)

// world runs one machine against a scripted QRS on virtual time: effects become
// inputs, in the order of their times, until nothing is left or the limit is reached.
type world struct {
	t       testing.TB
	machine *Machine
	now     time.Time
	inputs  inputs
	sent    int // inputs so far: those of one time come in this order
	answer  func(now time.Time, command any) (reply any, after time.Duration)

	asked    []any
	records  []Record
	handled  []messages.EventHandled
	tells    []Report
	finished bool
	left     messages.Seen // what is to be remembered of a finished execution
	state    []byte

	// durable is how long a record takes; 0 is a millisecond.
	durable time.Duration

	// stays keeps the machine when it falls asleep; otherwise it is made anew, as by its shard.
	stays  bool
	asleep *messages.ExecutionAsleep
	naps   int // how often it fell asleep
}

// alarm is the time to wake a machine up.
type alarm struct{}

type input struct {
	at      time.Time
	seq     int
	message any
	nap     int // after which it was sent; an event is for whoever comes
}

type inputs []input

func (q inputs) Len() int { return len(q) }
func (q inputs) Less(i, j int) bool {
	return q[i].at.Before(q[j].at) || q[i].at.Equal(q[j].at) && q[i].seq < q[j].seq
}
func (q inputs) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *inputs) Push(x any)   { *q = append(*q, x.(input)) }
func (q *inputs) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

var epoch = time.Date(2026, 5, 6, 14, 23, 45, 0, time.UTC)

func newWorld(tb testing.TB, router Router, answer func(time.Time, any) (any, time.Duration)) *world {
	tb.Helper()
	return &world{t: tb, machine: NewMachine(rules(router), messages.Ref{ID: "x"}), now: epoch, answer: answer}
}

func rules(router Router) Rules {
	return Rules{
		Router: router, DegradedAfter: 30 * time.Second, CacheFor: 30 * time.Second, RetryEvery: 2 * time.Second,
		PollEvery: 30 * time.Second, FollowFor: 6 * time.Hour, FinalAttempts: 5, FinalEvery: time.Second, RememberFor: 10 * time.Minute,
	}
}

func (w *world) send(after time.Duration, message any) {
	w.sent++
	heap.Push(&w.inputs, input{at: w.now.Add(after), seq: w.sent, message: message, nap: w.naps})
}

func (w *world) observe(after time.Duration, e messages.TaskEvent, index uint32) {
	w.send(after, messages.TaskEventObserved{PlacedEvent: messages.PlacedEvent{
		At: messages.EventPosition{Seq: 1, Index: index}, Key: "exec-1", Event: e,
	}})
}

// run works until nothing is left to happen, or for limit.
func (w *world) run(limit time.Duration) {
	w.t.Helper()
	end := w.now.Add(limit)
	for len(w.inputs) > 0 {
		next := heap.Pop(&w.inputs).(input)
		if next.at.After(end) {
			heap.Push(&w.inputs, next)
			w.now = end
			return
		}
		w.now = next.at
		observed, event := next.message.(messages.TaskEventObserved)
		if next.nap != w.naps && !event {
			continue // it was meant for an actor that has ended
		}
		_, due := next.message.(alarm)
		if w.asleep != nil {
			w.rouse(due)
		}
		switch {
		case event:
			w.perform(w.machine.Observe(w.now, &observed, nil))
		case !due:
			w.perform(w.machine.Handle(w.now, next.message))
		}
	}
}

// rouse makes a machine of what the one before has left.
func (w *world) rouse(due bool) {
	w.t.Helper()
	left := *w.asleep
	w.asleep = nil
	w.machine = NewMachine(w.machine.rules, messages.Ref{ID: "x"})
	effects, err := w.machine.Resume(w.now, messages.ResumeExecution{
		Key: left.Key, Seen: left.Seen, Snapshot: left.Snapshot, Due: due, Slept: left.At,
	}, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	if !due { // there is an event, so its shard does not let it sleep
		effects = slices.DeleteFunc(effects, func(e Effect) bool {
			_, offer := e.(Sleep)
			return offer
		})
	}
	w.perform(effects)
}

func (w *world) perform(effects []Effect) {
	for _, effect := range effects {
		switch do := effect.(type) {
		case Ask:
			w.asked = append(w.asked, do.Command)
			if reply, after := w.answer(w.now, do.Command); reply != nil {
				w.send(after, reply)
			}
		case Arm:
			w.send(max(do.At.Sub(w.now), 0), do.Message)
		case *Record:
			w.records = append(w.records, *do)
			if do.State != nil || do.HadState {
				w.state = do.State
			}
			if do.Work != 0 {
				w.send(cmp.Or(w.durable, time.Millisecond), messages.DecisionRecorded{Work: do.Work, Token: do.Token})
			}
		case Handled:
			w.handled = append(w.handled, do.EventHandled)
		case Finish:
			w.finished, w.left = true, do.Seen
		case Sleep:
			if w.stays { // the timers that stir arms anew take the place of those before
				w.inputs = slices.DeleteFunc(w.inputs, func(i input) bool {
					switch i.message.(type) {
					case messages.PollDue, messages.GiveUpDue:
						return true
					}
					return false
				})
				heap.Init(&w.inputs)
				w.perform(w.machine.rearmTimers())
				continue
			}
			w.naps++
			w.asleep = &do.ExecutionAsleep
			next := do.Poll
			if do.GiveUp.Before(next) {
				next = do.GiveUp
			}
			w.send(next.Sub(w.now), alarm{})
		case *Report:
			told, alert := *do, *do.Alert
			told.Alert, told.Lookups = &alert, slices.Clone(do.Lookups)
			w.tells = append(w.tells, told)
		}
	}
}

// alert returns the one recorded alert.
func (w *world) alert() messages.Alert {
	w.t.Helper()
	var found []messages.Alert
	for _, r := range w.records {
		if len(r.Decision.Notices) > 0 {
			found = append(found, *r.Decision.Alert)
		}
	}
	if len(found) != 1 {
		w.t.Fatalf("want one alert, got %d; outcomes %v", len(found), w.outcomes())
	}
	return found[0]
}

func (w *world) outcomes() []string {
	var out []string
	for _, t := range w.tells {
		out = append(out, t.Outcome.String())
	}
	return out
}

// router is a routing table of one instance per kind.
type router struct {
	kinds map[messages.AlertKind]destination.Needs
	final map[messages.AlertKind]bool // what Route was told about the final state
}

func everyKind(needs destination.Needs) *router {
	r := &router{kinds: map[messages.AlertKind]destination.Needs{}, final: map[messages.AlertKind]bool{}}
	for _, kind := range messages.TaskKinds() {
		r.kinds[kind] = needs
	}
	return r
}

func (r *router) Carries(a *messages.Alert) bool {
	_, ok := r.kinds[a.Kind]
	return ok
}

func (r *router) NeedsOf(a *messages.Alert) destination.Needs { return r.kinds[a.Kind] }

func (r *router) Route(a *messages.Alert, final bool, now time.Time) ([]messages.NoticeHead, []destination.Omission) {
	r.final[a.Kind] = final
	return []messages.NoticeHead{{
		ID: messages.NewNoticeID(a.ID, "test", ""), Instance: "test", Attached: true, QueuedAt: now,
	}}, nil
}

// repository is a scripted QRS that answers everything at once.
type repository struct {
	task      messages.Task
	app       messages.App
	owner     messages.Owner
	execution func(now time.Time) messages.Execution
	log       messages.ScriptLog
	full      string
	fail      func(command any) messages.Failure
	delay     time.Duration
	// exhausted says that a failed script log was asked for often enough.
	exhausted bool
	// silent leaves a command without an answer, as a gate does that is restarted.
	silent func(command any) bool
	// atHand lets app and owner come along with the task.
	atHand bool
}

func known(t qlik.TaskType) *repository {
	return &repository{
		task:  messages.Task{Known: true, ID: taskID, Name: "Daily", Type: t, Tags: []string{"prod"}, LastStatus: qlik.StatusFinishedSuccess, LastResultID: "r1"},
		app:   messages.App{Known: true, ID: appID, Name: "Sales", OwnerID: "u1"},
		owner: messages.Owner{Known: true, ID: "u1", Emails: []string{"a@example.com"}},
		execution: func(time.Time) messages.Execution {
			return messages.Execution{Known: true, Status: qlik.StatusFinishedSuccess, Details: []messages.ExecutionDetail{{Message: messages.FinalSuccessMessage}}}
		},
		log: messages.ScriptLog{Available: true, Rows: 2, Head: []string{"a"}, Tail: []string{"b"}}, full: "a\nb",
	}
}

// away is how a repository fails that is out of reach.
func away(any) messages.Failure {
	return messages.Failure{Kind: messages.FailureUnavailable, Text: "down"}
}

// distributing returns a world in which a distribute task that runs has been followed for a minute.
func distributing(t *testing.T) (*world, *repository) {
	t.Helper()
	repo := known(qlik.TaskDistribute)
	repo.task.LastStatus = qlik.StatusStarted
	w := newWorld(t, everyKind(destination.Needs{}), repo.answer)
	w.observe(0, event(messages.FamilyDistribute), 0)
	w.run(time.Minute)
	return w, repo
}

const (
	taskID = "f1e2d3c4-b5a6-7890-1234-567890abcdef"
	appID  = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
)

func event(f messages.Family) messages.TaskEvent {
	return messages.TaskEvent{Family: f, HostName: "node1", TaskName: "Daily", AppName: "Sales", TaskID: taskID, AppID: appID, ExecutionID: "exec-1", At: epoch}
}

func (r *repository) answer(now time.Time, command any) (any, time.Duration) {
	if r.silent != nil && r.silent(command) {
		return nil, 0
	}
	var failure messages.Failure
	if r.fail != nil {
		failure = r.fail(command)
	}
	switch c := command.(type) {
	case messages.LookupTask:
		reply := messages.LookupTaskReply{TaskID: c.TaskID, Attempt: c.Attempt, Task: r.task, Failure: failure}
		if r.atHand {
			reply.App, reply.Owner = r.app, r.owner
		}
		return reply, r.delay
	case messages.LookupApp:
		return messages.LookupAppReply{AppID: c.AppID, Attempt: c.Attempt, App: r.app, Failure: failure}, r.delay
	case messages.LookupOwner:
		return messages.LookupOwnerReply{UserID: c.UserID, Attempt: c.Attempt, Owner: r.owner, Failure: failure}, r.delay
	case messages.LookupExecution:
		reply := messages.LookupExecutionReply{TaskID: c.TaskID, Attempt: c.Attempt, Failure: failure}
		if !failure.Failed() {
			reply.Execution = r.execution(now)
		}
		return reply, r.delay
	case messages.FetchScriptLog:
		reply := messages.FetchScriptLogReply{TaskID: c.TaskID, Attempt: c.Attempt, Failure: failure, Exhausted: r.exhausted && failure.Failed()}
		if !failure.Failed() {
			reply.Execution, reply.ScriptLog = r.execution(now), r.log
			if c.Full {
				reply.Full = r.full
			}
		}
		return reply, r.delay
	}
	return nil, 0
}
