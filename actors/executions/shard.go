package executions

import (
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/fastpath"
	"butler/internal/logx"
	"butler/internal/trail"
	"butler/messages"
)

// sweepEvery is how often a shard forgets what it may forget.
const sweepEvery = time.Minute

// shard carries out what its machine decides about the executions of a partition.
type shard struct {
	opts   *Options
	shared *shared
	index  int
	life   int
	// machine is nil until the ledger has been read. Messages that arrive before
	// that belong to an earlier life.
	machine *machine
	// children are the running actors by execution, keys their executions by actor ID.
	children map[messages.ExecutionKey]*actor.PID
	keys     map[string]messages.ExecutionKey
	// starting is the execution whose actor is being spawned; a panic is its fault.
	starting  messages.ExecutionKey
	nextSweep actorkit.Timer
	// alarm fires when a sleeper or the fast path has something to do, or earlier.
	alarm actorkit.Alarm
	// reportedAsleep is the number of sleepers' tasks last passed to Options.Asleep.
	reportedAsleep int
	// showRemembered sets the gauge of remembered executions.
	showRemembered func(executions int)

	// fast decides without actors.
	fast FastPath
	fastDecisions
	// handled are the events that the current step acknowledges.
	handled []messages.EventPosition
}

// Messages of a shard to itself; those of an earlier life are ignored.
type (
	// barrierPassed: everything that was committed before this life is durable.
	barrierPassed struct{ life int }
	// triesRecorded: the trial records of these executions are on disk.
	triesRecorded struct {
		life int
		keys []messages.ExecutionKey
	}
	// decisionsRecorded: decisions of the fast path are durable, or can never be.
	decisionsRecorded struct {
		life      int
		decisions []decision
		err       error
	}
	// sweepDue: it is time for a sweep.
	sweepDue struct{}
)

func (o *Options) shardProps(index int, common *shared) *actor.Props {
	return o.Kit.Props("shard", func() actor.Actor { return &shard{opts: o, shared: common, index: index} },
		actor.WithSupervisor(o.SuperviseExecution))
}

// Receive implements actor.Actor.
func (s *shard) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started:
		s.begin(ctx)
		return
	case barrierPassed:
		s.barrierPassed(ctx, message)
		return
	case messages.EventsArrived:
		s.shared.ahead.sent.Add(-int64(len(message.Events)))
	}
	if s.machine == nil {
		return
	}
	switch message := ctx.Message().(type) {
	case *actor.Stopping, *actor.Restarting:
		s.end(ctx)
	case messages.EventsArrived:
		if message.Life == s.life {
			s.step(ctx, message)
		}
	case messages.EventHandled, messages.ExecutionFinished, messages.ExecutionAsleep:
		s.step(ctx, message)
	case messages.Answers:
		s.answered(ctx, message.Replies)
	case wakeDue:
		s.alarm.Stop()
		s.fast.Tick(time.Now(), func(r fastpath.Ruling) { s.rule(ctx, s.machine.entry(r.Key), r) })
		s.step(ctx, message)
	case triesRecorded:
		s.recall(ctx, message)
	case decisionsRecorded:
		s.recorded(ctx, message)
	case *actor.Terminated:
		s.terminated(ctx, message.Who.GetId())
	case sweepDue:
		s.step(ctx, sweep{floor: uint64(s.opts.Queue.Floor())})
		s.scheduleSweep(ctx)
	}
}

// showCounts updates the gauges of remembered executions and of followed tasks.
func (s *shard) showCounts() {
	s.showRemembered(s.machine.known.Len() + s.machine.remembered.len())
	if tasks := s.machine.sleepers.tasks; tasks != s.reportedAsleep {
		s.opts.Asleep(tasks - s.reportedAsleep)
		s.reportedAsleep = tasks
	}
}

// setAlarm sets the alarm for the next sleeper or timer of the fast path. It never moves
// the alarm back: one that fires for nothing costs less than a change per event.
func (s *shard) setAlarm(ctx actor.Context) {
	at, ok := s.machine.sleepers.alarm()
	if next := s.fast.Next(); !next.IsZero() && (!ok || next.Before(at)) {
		at, ok = next, true
	}
	if set := s.alarm.At(); ok && (set.IsZero() || at.Before(set)) {
		s.alarm.Set(ctx, at, wakeDue{})
	}
}

// scheduleSweep arms the timer of the next sweep.
func (s *shard) scheduleSweep(ctx actor.Context) {
	s.nextSweep = actorkit.After(ctx, sweepEvery, sweepDue{})
}

func (s *shard) step(ctx actor.Context, input any) {
	now := time.Now()
	s.perform(ctx, now, s.machine.handle(now, input))
	s.finish(ctx, now)
}

// finish carries out what a step has collected.
func (s *shard) finish(ctx actor.Context, now time.Time) {
	rulings := s.rulings
	s.rulings = nil // end must not repeat a spawn that panics
	for _, r := range rulings {
		s.perform(ctx, now, s.machine.handle(now, ruled{r}))
	}
	s.fast.Ask()
	s.record(ctx)
	s.showCounts()
	s.setAlarm(ctx)
	if len(s.handled) > 0 {
		ctx.Send(ctx.Parent(), messages.EventsHandled{At: s.handled})
		s.handled = nil
	}
}

func (s *shard) perform(ctx actor.Context, now time.Time, effects []effect) {
	for _, one := range effects {
		switch do := one.(type) {
		case spawn:
			s.starting = do.key
			child := ctx.SpawnPrefix(s.opts.Execution, "x:")
			s.starting = ""
			s.children[do.key], s.keys[child.GetId()] = child, do.key
		case resume:
			ctx.Send(s.children[do.Key], do.ResumeExecution)
		case observe:
			ctx.Send(s.children[do.event.Key], messages.TaskEventObserved{PlacedEvent: *do.event, Seen: do.seen, Bare: do.bare, Since: do.since})
		case decide:
			s.first.PlacedEvent, s.first.Seen = *do.event, do.entry.seen
			s.rule(ctx, do.entry, s.fast.Decide(now, &s.first))
		case withdraw:
			s.fast.Withdraw(do.key)
		case end:
			child := s.children[do.key]
			s.disown(child.GetId())
			ctx.Stop(child)
		case acknowledge:
			s.handled = append(s.handled, do.at)
		case commit:
			s.commit(ctx, do)
		case giveUp:
			s.giveUp(do)
		case countDuplicate:
			s.opts.Metrics.duplicates.WithLabelValues(do.event.Event.Family.String()).Inc()
			s.opts.Trail.Write(duplicate(now, do.event))
			s.opts.Log.Debug("duplicate event dropped", logx.EventType(do.event.Event.Family),
				logx.ExecutionID(do.event.Event.ExecutionID), logx.TaskID(do.event.Event.TaskID))
		case countForgotten:
			s.opts.Metrics.forgotten.Add(float64(do.executions))
		}
	}
}

// duplicate returns the trail entry of a repeated event.
func duplicate(now time.Time, p *messages.PlacedEvent) *trail.Duplicate {
	return &trail.Duplicate{
		Head:  trail.Head{Key: p.Key, ExecutionID: p.Event.ExecutionID, At: now},
		Place: p.At, Family: p.Event.Family, Received: p.Event.At, Source: p.Event.Source,
	}
}

func (s *shard) commit(ctx actor.Context, do commit) {
	if do.then == nil {
		s.opts.Ledger.Commit(do.ops, func(error) {})
		return
	}
	post, message := actorkit.Poster(ctx), triesRecorded{s.life, do.then}
	s.opts.Ledger.Commit(do.ops, committed(func() { post(message) }))
}

// disown removes an actor from the running ones and reports whether it was one.
func (s *shard) disown(id string) (key messages.ExecutionKey, ok bool) {
	key, ok = s.keys[id]
	if ok {
		delete(s.keys, id)
		delete(s.children, key)
	}
	return key, ok
}

// terminated handles the end of an actor. One that had not finished has crashed.
func (s *shard) terminated(ctx actor.Context, id string) {
	if key, ok := s.disown(id); ok {
		s.opts.Metrics.crashes.Inc()
		s.step(ctx, crashed{key})
	}
}

// recall reads from the ledger what is known of executions that are tried again:
// they may have crashed after a commit and before they reported it. A shard that
// cannot read that must not go on.
func (s *shard) recall(ctx actor.Context, in triesRecorded) {
	if in.life != s.life {
		return
	}
	for _, key := range in.keys {
		seen, snapshot, err := s.opts.recall(key)
		if err != nil {
			actorkit.Fail(err)
		}
		s.step(ctx, recalled{key, seen, snapshot})
	}
}

// giveUp logs an error and puts the events and the snapshot into the quarantine.
func (s *shard) giveUp(do giveUp) {
	s.opts.Metrics.lost.Inc()
	s.opts.Log.Error("execution crashed too often, it is given up and in the quarantine",
		zap.String("execution_key", string(do.key)), logx.Count(len(do.events)), logx.Attempt(do.crashes),
		zap.Bool("followed", do.snapshot != nil))
	for _, one := range do.quarantined(time.Now()) {
		s.opts.Quarantine.Keep(one)
	}
}
