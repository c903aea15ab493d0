package schedule

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/google/uuid"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/logx"
	"butler/messages"
)

// fileTimeout bounds each read and write of the file.
const fileTimeout = 30 * time.Second

// aCall names the calls of the scheduler in the log after a panic.
const aCall = "a call of the scheduler"

// Props returns the props of the scheduler. The pools of its calls are shared with the
// actor that a restart replaces.
func Props(opts Options) *actor.Props {
	if opts.Store != nil && opts.Start == nil {
		panic("BUG: a scheduler with schedules needs a way to start tasks")
	}
	opts.Rules = opts.withDefaults()
	if opts.Log == nil {
		opts.Log = zap.NewNop()
	}
	if opts.Metrics == nil {
		opts.Metrics = NewMetrics(nil)
	}
	if opts.OnHealth == nil {
		opts.OnHealth = func(bool, string) {}
	}
	if opts.OnStarts == nil {
		opts.OnStarts = func(string) {}
	}
	if opts.Zone == nil {
		opts.Zone = time.Local
	}
	if opts.NewID == nil {
		opts.NewID = uuid.NewString
	}
	if opts.Rand == nil {
		opts.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	// The machine makes one call to the file and MaxConcurrent starts at a time. A call
	// frees its slot a moment after its result is posted, hence the spare slots.
	files, starts := actorkit.NewPool(4), actorkit.NewPool(2*opts.MaxConcurrent)
	return opts.Kit.Props("schedule", func() actor.Actor { return &scheduler{opts: opts, filePool: files, startPool: starts} })
}

// The messages of the actor to itself.
type (
	loadFinished struct {
		book    messages.ScheduleBook
		marks   map[string]mark
		failure messages.Failure
	}
	saveFinished struct {
		book    messages.ScheduleBook
		saved   bool
		failure messages.Failure
	}
	startFinished struct {
		id      runID
		failure messages.Failure
	}
	due struct{}
)

type scheduler struct {
	opts                Options
	filePool, startPool *actorkit.Pool
	machine             *machine
	files, starts       *actorkit.Effects
	alarm               actorkit.Alarm
	failing             failing
}

// Receive implements actor.Actor.
func (s *scheduler) Receive(ctx actor.Context) {
	// Round(0) strips the monotonic clock: runs are due by the wall clock, and the
	// monotonic clock stands still while the computer sleeps.
	now := time.Now().Round(0)
	switch message := ctx.Message().(type) {
	case *actor.Started:
		s.files, s.starts = actorkit.NewEffects(s.filePool), actorkit.NewEffects(s.startPool)
		s.machine = newMachine(s.opts)
		s.opts.OnStarts("") // an instance that crashed may have told of some
		s.perform(ctx, s.machine.begin())
	case *actor.Stopping, *actor.Restarting:
		s.files.Close()
		s.starts.Close()
		s.alarm.Stop()
		return
	case loadFinished:
		s.perform(ctx, s.machine.read(now, message.book, message.marks, message.failure))
	case saveFinished:
		s.perform(ctx, s.machine.saved(now, message.book, message.saved, message.failure))
	case startFinished:
		s.perform(ctx, s.machine.finished(now, message.id, message.failure))
	case due:
		s.alarm.Stop()
		s.perform(ctx, s.machine.tick(now))
	default:
		s.perform(ctx, s.machine.command(now, message))
	}
	s.alarm.Set(ctx, s.machine.next(now), due{})
	s.opts.Metrics.show(s.machine.entries)
	if reason, changed := s.failing.news(func(id string) bool { e := s.machine.byID[id]; return e != nil && e.running() }); changed {
		s.opts.OnStarts(reason)
	}
}

func (s *scheduler) perform(ctx actor.Context, effects []effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case load:
			s.file(ctx, func(bounded context.Context) any { return s.load(bounded) },
				func(f messages.Failure) any { return loadFinished{failure: f} })
		case save:
			s.file(ctx, func(bounded context.Context) any { return s.save(bounded, e) },
				func(f messages.Failure) any { return saveFinished{failure: f} })
		case start:
			s.start(ctx, e.Run)
		case reply:
			actorkit.Reply(ctx, e.To, e.Message)
		case remember:
			keep(s.opts.Ledger, e.Mark)
		case forget:
			drop(s.opts.Ledger, e.ID)
		default:
			s.tell(e)
		}
	}
}

// file makes a call to the file. failed builds the message to post when that is not
// possible.
func (s *scheduler) file(ctx actor.Context, call func(context.Context) any, failed func(messages.Failure) any) {
	running := s.files.Run(ctx, fileTimeout, func(bounded context.Context) any {
		var message any
		if f := actorkit.Guard(s.opts.Log, aCall, func() error { message = call(bounded); return nil }); f.Failed() {
			return failed(f)
		}
		return message
	})
	if !running {
		ctx.Send(ctx.Self(), failed(messages.Failure{Kind: messages.FailureBusy, Text: "earlier calls to the schedule file have not ended"}))
	}
}

func (s *scheduler) load(ctx context.Context) loadFinished {
	book, err := s.opts.Store.Load(ctx)
	failure := messages.FailureOf(err)
	if errors.Is(err, fs.ErrNotExist) {
		failure.Kind = messages.FailureNotFound
	}
	marks, err := recall(s.opts.Ledger)
	if err != nil {
		s.opts.Log.Warn("it is not known which runs of schedules were missed", logx.Err(err))
	}
	return loadFinished{book: book, marks: marks, failure: failure}
}

func (s *scheduler) save(ctx context.Context, e save) saveFinished {
	book, saved, err := s.opts.Store.Save(ctx, e.Change, e.Revision)
	return saveFinished{book: book, saved: saved, failure: messages.FailureOf(err)}
}

func (s *scheduler) start(ctx actor.Context, r run) {
	if r.Attempt == 1 {
		s.opts.Log.Info("a schedule is due", aboutRun(r)...)
	}
	running := s.starts.Run(ctx, s.opts.Timeout, func(bounded context.Context) any {
		return startFinished{r.ID, actorkit.Guard(s.opts.Log, aCall, func() error { return s.opts.Start(bounded, r.Schedule, r.TaskID) })}
	})
	if !running {
		ctx.Send(ctx.Self(), startFinished{r.ID, messages.Failure{Kind: messages.FailureBusy, Text: "too many tasks are being started"}})
	}
}

// tell logs and counts an effect, and reports the health.
func (s *scheduler) tell(e effect) {
	log, metrics := s.opts.Log, s.opts.Metrics
	switch e := e.(type) {
	case booked:
		log.Info("schedules are loaded", logx.Count(e.Count), zap.Int("running", e.Running))
	case refused:
		log.Error("an entry of the schedule file cannot be used", logx.Reason(e.Reason))
	case unfit:
		log.Error("a schedule cannot run and is stopped", scheduleID(e.ID), scheduleName(e.Name), logx.Reason(e.Problem))
	case started:
		s.failing.ended(e.Run, messages.Failure{})
		metrics.ran(resultStarted, 1)
		metrics.delay.Observe(e.Late.Seconds())
		log.Info("a schedule started its task", append(aboutRun(e.Run), logx.Attempt(e.Run.Attempt))...)
	case failed:
		fields := append(aboutRun(e.Run), logx.Attempt(e.Run.Attempt), logx.Err(e.Failure))
		if !e.RetryAt.IsZero() {
			log.Warn("a schedule could not start its task yet", append(fields, zap.Time("retry_at", e.RetryAt))...)
			return
		}
		s.failing.ended(e.Run, e.Failure)
		metrics.ran(resultFailed, 1)
		log.Error("a schedule could not start its task", fields...)
	case missed:
		metrics.ran(resultNotMadeUp, e.Count)
		log.Warn("a schedule has missed runs, which are skipped", scheduleID(e.ID), scheduleName(e.Name), logx.Count(e.Count), zap.Time("first", e.First))
	case noFile:
		log.Info("there is no schedule file yet; the first schedule that is created makes it")
	case tellHealth:
		if !e.Up {
			log.Error("the schedule file cannot be used", logx.Reason(e.Reason))
		}
		s.opts.OnHealth(e.Up, e.Reason)
	}
}

func aboutRun(r run) []zap.Field {
	return []zap.Field{scheduleID(r.Schedule), scheduleName(r.Name), logx.TaskID(r.TaskID), zap.Time("due", r.Due)}
}

func scheduleID(id string) zap.Field { return zap.String("schedule_id", id) }

func scheduleName(name string) zap.Field { return zap.String("schedule_name", name) }
