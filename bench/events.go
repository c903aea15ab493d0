package bench

import (
	"fmt"
	"strings"
	"time"

	"butler/bench/load"
	"butler/internal/qlik"
	"butler/internal/sim/appender"
	"butler/internal/sim/world"
	"butler/messages"
)

// stream generates the events of a scenario, about tasks of a site.
type stream struct {
	site   *site
	ledger *Ledger
	// rounds is one round of the mix.
	rounds []kind
	// first is the number of the first execution within the run.
	first int
	// known makes the repository know the executions.
	known bool
	size  int
}

// kind is one kind of event.
type kind struct {
	family       messages.Family
	destinations []string
	outcome      func() world.Outcome
	events       []appender.Event
}

// realistic is the minimum length of a datagram in bytes. All datagrams are padded to the
// same length, so that one system call can send a burst.
const realistic = 330

// newStream returns the stream; first numbers its first execution.
func newStream(s *site, sc Scenario, first int) (*stream, error) {
	out := &stream{site: s, first: first, known: sc.Executions, size: realistic}
	for _, share := range sc.mix() {
		k, err := s.kind(share, sc)
		if err != nil {
			return nil, err
		}
		for _, e := range k.events {
			e.ExecutionID = s.World.ExecutionID(0)
			out.size = max(out.size, len(appender.Format{}.Append(nil, e)))
		}
		for range max(1, share.Of) {
			out.rounds = append(out.rounds, k)
		}
	}
	return out, nil
}

func (s *site) kind(share Share, sc Scenario) (kind, error) {
	family, typ, err := share.kind()
	if err != nil {
		return kind{}, err
	}
	out := kind{family: family, destinations: sc.Destinations, outcome: outcomeOf(family)}
	if share.To != nil {
		out.destinations = share.To
	}
	last := ""
	for n := 0; len(out.events) < sc.Tasks && n < s.World.TaskCount(); n++ {
		id, ok := s.World.TaskOfType(typ, n)
		if !ok || id == last {
			continue
		}
		last = id
		task, _ := s.World.Task(id)
		e := world.Execution{TaskID: id, TaskName: task.Name, TaskType: typ, Node: fmt.Sprintf("sense-node-%02d", n%4+1)}
		if task.App != nil {
			e.AppID, e.AppName = task.App.ID, task.App.Name
		}
		out.events = append(out.events, appender.EventOf(e, appender.TypeOf(family), time.Now()))
	}
	if len(out.events) < sc.Tasks {
		return out, fmt.Errorf("the site has %d tasks of type %s, and %d are wanted", len(out.events), typ, sc.Tasks)
	}
	return out, nil
}

// outcomeOf returns the outcome of executions with such an event. A distribution is still
// running when its event is sent.
func outcomeOf(f messages.Family) func() world.Outcome {
	switch f {
	case messages.FamilyAborted:
		return world.Abort
	case messages.FamilyFailed:
		return world.Fail
	case messages.FamilyDistribute:
		return func() world.Outcome {
			return world.Outcome{Final: qlik.StatusFinishedSuccess, Duration: 24 * time.Hour}
		}
	default:
		return world.Succeed
	}
}

// event returns the kind of the n-th event and its content, without the execution.
func (s *stream) event(n int) (*kind, *appender.Event) {
	k := &s.rounds[n%len(s.rounds)]
	return k, &k.events[n/len(s.rounds)%len(k.events)]
}

// expect enters the events in the ledger, unless the repository knows their executions.
func (s *stream) expect(l *Ledger, count int) {
	s.ledger = l
	if s.known {
		return
	}
	for n := range count {
		k, e := s.event(n)
		l.Expect(n, s.executionID(n), e.TaskID, k.destinations)
	}
}

func (s *stream) executionID(n int) string { return s.site.World.ExecutionID(uint64(s.first + n)) }

// append appends the datagram of the n-th event to b.
func (s *stream) append(b []byte, n int) []byte {
	k, template := s.event(n)
	e := *template
	e.At = time.Now()
	if s.known {
		outcome := k.outcome()
		took := min(outcome.Duration, time.Minute)
		execution, err := s.site.World.Run(e.TaskID, outcome, e.At.Add(-max(took, time.Minute)))
		if err != nil {
			panic("BUG: a task of the site is not in it: " + e.TaskID)
		}
		e.ExecutionID = execution.ExecutionID
		s.ledger.Expect(n, e.ExecutionID, e.TaskID, k.destinations)
	} else {
		e.ExecutionID = s.executionID(n)
	}
	start := len(b)
	b = appender.Format{}.Append(b, e)
	return append(b, strings.Repeat(".", s.size-(len(b)-start))...)
}

// load returns the first count events as a load at a rate.
func (s *stream) load(rate float64, count int) load.Load {
	const fast = 20_000 // above this rate datagrams are prepared
	return load.Load{Rate: rate, Count: count, Size: s.size, Append: s.append, Prepared: rate > fast && !s.known, Sent: s.ledger.Sent}
}
