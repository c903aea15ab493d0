package appender

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"math/rand/v2"
	"time"

	"butler/internal/qlik"
	"butler/internal/sim/world"
	"butler/messages"
)

// Share is a part of a scenario: events of one type for tasks of one type.
type Share struct {
	// Identifier begins the datagram; one of Types.
	Identifier string
	Task       qlik.TaskType
	// Weight is relative to the other shares.
	Weight int
	// Outcome is how the execution goes in the world. Its final state follows
	// from the family unless set.
	Outcome world.Outcome
}

// defaultMix is the default mix of a scenario: a bad day on a busy site.
var defaultMix = [...]Share{
	{Identifier: "/scheduler-task-failed/", Task: qlik.TaskReload, Weight: 40},
	{Identifier: "/scheduler-task-success/", Task: qlik.TaskReload, Weight: 25},
	{Identifier: "/scheduler-task-aborted/", Task: qlik.TaskReload, Weight: 8},
	{Identifier: "/scheduler-reload-failed/", Task: qlik.TaskReload, Weight: 5},
	{Identifier: "/scheduler-task-failed/", Task: qlik.TaskExternalProgram, Weight: 5},
	{Identifier: "/scheduler-task-success/", Task: qlik.TaskUserSync, Weight: 5},
	{Identifier: "/scheduler-distribute/", Task: qlik.TaskDistribute, Weight: 5},
	{Identifier: "/scheduler-task-failed/", Task: qlik.TaskPreload, Weight: 5},
	{Identifier: "/engine-reload-failed/", Task: qlik.TaskReload, Weight: 2},
}

// Scenario is a bounded stream of datagrams about the tasks of a world.
type Scenario struct {
	// World is required.
	World *world.World
	// Seed decides which tasks, in which order, with which faults.
	Seed uint64
	// Count is the number of datagrams, not counting duplicates.
	Count int
	// Rate is datagrams per second; 0 means as fast as possible.
	Rate float64
	// Mix is what is sent; nil means a bad day on a busy site.
	Mix    []Share
	Format Format
	// Simulate makes the executions happen in the world, so that the QRS agrees
	// with the events. Without it every event has an identifier unknown to the QRS.
	Simulate bool
	// DuplicatePercent of the datagrams are sent twice.
	DuplicatePercent float64
	// HostilePercent of the scheduler's datagrams are hostile; engine events never are.
	HostilePercent float64
	// OnSent, if set, is called with every datagram after it was sent.
	OnSent func(Datagram)
}

// Datagram is one datagram of a scenario.
type Datagram struct {
	Payload []byte
	Event   Event
	// Hostile is the name of the attack, "" for a valid datagram.
	Hostile string
	// Accepted reports that a correct receiver accepts the event.
	Accepted bool
	// Duplicate marks the second copy of the datagram before it.
	Duplicate bool
}

// Report is what a scenario did.
type Report struct {
	Sent       int
	Failed     int
	Hostile    int
	Duplicates int
	Bytes      int64
	ByFamily   map[messages.Family]int
	Took       time.Duration
}

// Datagrams yields the stream. With Simulate it changes the world as it goes, so
// it is meant to be consumed once.
func (s Scenario) Datagrams() iter.Seq[Datagram] {
	mix := s.Mix
	if mix == nil {
		mix = defaultMix[:]
	}
	total := 0
	for _, share := range mix {
		total += max(share.Weight, 0)
	}
	return func(yield func(Datagram) bool) {
		random := rand.New(rand.NewPCG(s.Seed, 0xda7a))
		for n := range s.Count {
			share := pick(mix, random.IntN(max(total, 1)))
			d, ok := s.datagram(n, share, random)
			if !ok {
				continue
			}
			if !yield(d) {
				return
			}
			if random.Float64()*100 >= s.DuplicatePercent {
				continue
			}
			d.Duplicate = true
			if !yield(d) {
				return
			}
		}
	}
}

func pick(mix []Share, throw int) Share {
	for _, share := range mix {
		if throw -= max(share.Weight, 0); throw < 0 {
			return share
		}
	}
	return mix[len(mix)-1]
}

func (s Scenario) datagram(n int, share Share, random *rand.Rand) (Datagram, bool) {
	event, ok := s.event(n, share, random)
	if !ok {
		return Datagram{}, false
	}
	if random.Float64()*100 >= s.HostilePercent || event.Type.Family == messages.FamilyEngine {
		return Datagram{Payload: s.Format.Append(nil, event), Event: event, Accepted: true}, true
	}
	a := attacks[random.IntN(len(attacks))]
	return Datagram{Payload: a.make(random, s.Format, event), Event: event, Hostile: a.name, Accepted: a.accepted}, true
}

func (s Scenario) event(n int, share Share, random *rand.Rand) (Event, bool) {
	kind, ok := typeNamed(share.Identifier)
	if !ok {
		return Event{}, false
	}
	taskID, ok := s.World.TaskOfType(share.Task, random.IntN(s.World.TaskCount()))
	if !ok {
		return Event{}, false
	}
	execution, err := s.execution(n, taskID, kind.Family, share.Outcome)
	if err != nil {
		return Event{}, false
	}
	return EventOf(execution, kind, s.World.Now()), true
}

// execution runs the task in the world with Simulate, and otherwise makes up an execution.
func (s Scenario) execution(n int, taskID string, f messages.Family, o world.Outcome) (world.Execution, error) {
	if !s.Simulate || f == messages.FamilyEngine {
		task, ok := s.World.Task(taskID)
		if !ok {
			return world.Execution{}, world.ErrNoTask
		}
		return s.pretend(n, task), nil
	}
	if o.Final == qlik.StatusNeverStarted {
		o.Final = finalOf(f)
	}
	if o.Duration <= 0 {
		o.Duration = 5 * time.Second
	}
	if f == messages.FamilyDistribute {
		return s.World.Start(taskID, o)
	}
	return s.World.Run(taskID, o, s.World.Now().Add(-o.Duration))
}

func (s Scenario) pretend(n int, task world.Task) world.Execution {
	execution := world.Execution{
		TaskID: task.ID, TaskName: task.Name, TaskType: qlik.TaskType(task.TaskType),
		ExecutionID: s.World.ExecutionID(s.Seed&0x3fffff<<24 | uint64(n)),
		Node:        task.Operational.LastExecutionResult.ExecutingNodeName,
	}
	if task.App != nil {
		execution.AppID, execution.AppName = task.App.ID, task.App.Name
	}
	return execution
}

func finalOf(f messages.Family) qlik.ExecutionStatus {
	switch f {
	case messages.FamilyFailed:
		return qlik.StatusFinishedFail
	case messages.FamilyAborted:
		return qlik.StatusAborted
	default:
		return qlik.StatusFinishedSuccess
	}
}

// EventOf returns what the scheduler logs about an execution.
func EventOf(e world.Execution, kind MessageType, at time.Time) Event {
	event := Event{
		Type: kind, HostName: cmp.Or(e.Node, "sense-server-01"), TaskName: e.TaskName, User: `INTERNAL\sa_scheduler`,
		TaskID: e.TaskID, At: at, ExecutionID: e.ExecutionID,
	}
	if usesApp(e.TaskType) {
		event.AppID, event.AppName = e.AppID, e.AppName
	}
	if kind.Family == messages.FamilyEngine {
		event.SessionID = e.ExecutionID
	}
	return event
}

func typeNamed(identifier string) (MessageType, bool) {
	for _, t := range types {
		if t.Identifier == identifier {
			return t, true
		}
	}
	return MessageType{}, false
}

// Send sends the stream at its rate until it or ctx ends. A datagram that the socket
// refuses is counted and does not end the stream.
func (s Scenario) Send(ctx context.Context, send func([]byte) error) (Report, error) {
	if s.World == nil {
		return Report{}, errors.New("run scenario: Scenario.World is missing")
	}
	report := Report{ByFamily: make(map[messages.Family]int)}
	start := time.Now()
	pace := pacer{start: start, rate: s.Rate}
	for d := range s.Datagrams() {
		if err := waitUntil(ctx, pace.due(report.Sent+report.Failed)); err != nil {
			report.Took = time.Since(start)
			return report, err
		}
		report.count(d, send(d.Payload))
		if s.OnSent != nil {
			s.OnSent(d)
		}
	}
	report.Took = time.Since(start)
	return report, nil
}

func (r *Report) count(d Datagram, err error) {
	if err != nil {
		r.Failed++
		return
	}
	r.Sent++
	r.Bytes += int64(len(d.Payload))
	switch {
	case d.Hostile != "":
		r.Hostile++
	default:
		r.ByFamily[d.Event.Type.Family]++
	}
	if d.Duplicate {
		r.Duplicates++
	}
}

// waitUntil sleeps until a time, or as long as ctx lasts.
func waitUntil(ctx context.Context, at time.Time) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	wait := time.Until(at)
	if at.IsZero() || wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
