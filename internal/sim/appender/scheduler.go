package appender

import (
	"sync"
	"time"

	"butler/internal/qlik"
	"butler/internal/sim/world"
	"butler/messages"
)

// maxPending bounds the executions that a Scheduler follows at a time.
const maxPending = 10_000

// Scheduler sends the datagrams of executions when they are due, as the nodes
// of a site do: a message at the end of every execution, and for a distribute
// task one more when it leaves the scheduler's hands.
type Scheduler struct {
	send func(Event) error
	now  func() time.Time

	mu      sync.Mutex
	timers  map[string][]*time.Timer
	stopped bool
	sending sync.WaitGroup
}

// NewScheduler returns a scheduler that calls send. now returns the time of the
// world that the executions belong to.
func NewScheduler(now func() time.Time, send func(Event) error) *Scheduler {
	return &Scheduler{send: send, now: now, timers: make(map[string][]*time.Timer)}
}

// Follow schedules the datagrams of an execution. Following the same execution
// again, as when it is aborted, replaces its schedule. An execution that is already
// over is announced at once. With ten thousand followed, further ones are ignored.
func (s *Scheduler) Follow(e world.Execution) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.timers[e.ExecutionID]
	if s.stopped || !known && len(s.timers) >= maxPending {
		return
	}
	s.cancelLocked(e.ExecutionID)
	plan := planOf(e)
	for i, p := range plan {
		s.armLocked(e, p, i == len(plan)-1)
	}
}

// planned is one scheduled datagram.
type planned struct {
	family messages.Family
	at     time.Time
}

// planOf lists the datagrams of an execution in order of time.
func planOf(e world.Execution) []planned {
	var plan []planned
	if e.TaskType == qlik.TaskDistribute {
		plan = append(plan, planned{messages.FamilyDistribute, e.Start.Add(e.End.Sub(e.Start) / 3)})
	}
	family, told := familyOf(e.Final)
	if told && (e.TaskType != qlik.TaskDistribute || family == messages.FamilySucceeded) {
		plan = append(plan, planned{family, e.End})
	}
	return plan
}

func familyOf(final qlik.ExecutionStatus) (messages.Family, bool) {
	switch final {
	case qlik.StatusFinishedSuccess:
		return messages.FamilySucceeded, true
	case qlik.StatusFinishedFail, qlik.StatusError:
		return messages.FamilyFailed, true
	case qlik.StatusAborted:
		return messages.FamilyAborted, true
	default:
		return messages.FamilyUnknown, false
	}
}

func (s *Scheduler) armLocked(e world.Execution, p planned, last bool) {
	s.sending.Add(1)
	timer := time.AfterFunc(max(p.at.Sub(s.now()), 0), func() {
		defer s.sending.Done()
		_ = s.send(EventOf(e, TypeOf(p.family), s.now()))
		if last {
			s.forget(e.ExecutionID)
		}
	})
	s.timers[e.ExecutionID] = append(s.timers[e.ExecutionID], timer)
}

func (s *Scheduler) forget(executionID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.timers, executionID)
}

func (s *Scheduler) cancelLocked(executionID string) {
	for _, timer := range s.timers[executionID] {
		if timer.Stop() {
			s.sending.Done()
		}
	}
	delete(s.timers, executionID)
}

// Pending counts the executions that are being followed.
func (s *Scheduler) Pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.timers)
}

// Stop cancels the scheduled datagrams and waits for those being sent.
func (s *Scheduler) Stop() {
	s.mu.Lock()
	s.stopped = true
	for id := range s.timers {
		s.cancelLocked(id)
	}
	s.mu.Unlock()
	s.sending.Wait()
}
