package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/asynkron/protoactor-go/actor"

	"butler/actors/schedule"
	"butler/config"
	"butler/internal/schedulefile"
	"butler/internal/starttask"
	"butler/internal/wholefile"
	"butler/messages"
	"butler/supervisors"
)

// Schedules that start tasks.

// schedulesComponent is the health of the schedule file, apart from that of its actor.
const schedulesComponent = "schedules/file"

// startsComponent is on the health board while schedules cannot start their tasks.
const startsComponent = "schedules/starts"

// schedulerPart is the actor of the schedules.
const schedulerPart = "scheduler"

// buildScheduler adds the scheduler. A disabled one answers calls of the REST API.
func (g *generation) buildScheduler() error {
	enabled := g.cfg.Scheduler().Enable
	if !enabled && g.server(restServer) == nil || !g.changed.touches("scheduler") && g.keep(schedulerPart) {
		return nil
	}
	p := part{name: schedulerPart, actors: []supervisors.Child{{Name: "schedule", Props: g.scheduleProps, Spawned: setOnce(&g.pids.schedules)}}}
	if enabled {
		p.components = []string{schedulesComponent, startsComponent}
	}
	g.add(p)
	return nil
}

// scheduleProps returns the props of the scheduler. A disabled scheduler has no file
// and refuses every change.
func (g *generation) scheduleProps() *actor.Props {
	options := schedule.Options{
		Kit: g.kit, Ledger: g.ledger, Log: g.log.Named("schedule"), Metrics: sharedMetrics(g.App, schedule.NewMetrics),
		Start: func(ctx context.Context, scheduleID, taskID string) error {
			return g.current.Load().startTask(ctx, onBehalf(starttask.BySchedule, scheduleID), taskID)
		},
		OnHealth: g.healthOf(schedulesComponent),
		OnStarts: func(reason string) {
			if reason == "" {
				g.health.Remove(startsComponent)
				return
			}
			g.health.Set(startsComponent, supervisors.Degraded, reason)
		},
	}
	if section := g.cfg.Scheduler(); section.Enable {
		options.Store = schedulefile.New(section.ConfigFile)
	}
	return schedule.Props(options)
}

// schedules implements api.Schedules by messages to the scheduler.
type schedules struct{ gen *generation }

func (s schedules) List(ctx context.Context, c messages.ListSchedules) (messages.ListSchedulesReply, error) {
	return ask[messages.ListSchedulesReply](ctx, s.gen.kit, s.gen.pids.schedules, func(to messages.Ref) any { c.ReplyTo = to; return c })
}

func (s schedules) Describe(ctx context.Context) (messages.DescribeSchedulesReply, error) {
	return ask[messages.DescribeSchedulesReply](ctx, s.gen.kit, s.gen.pids.schedules, func(to messages.Ref) any { return messages.DescribeSchedules{ReplyTo: to} })
}

// Create also refuses a task that the start filter does not allow.
func (s schedules) Create(ctx context.Context, c messages.CreateSchedule) (messages.CreateScheduleReply, error) {
	if !s.gen.startFilter.AllowsID(c.Schedule.TaskID) {
		return messages.CreateScheduleReply{Failure: messages.Failure{
			Kind: messages.FailureRejected, Text: "qlikSenseTaskId: the start-task filter does not allow it; add it to Butler.startTaskFilter.allowTask.taskId",
		}}, nil
	}
	return ask[messages.CreateScheduleReply](ctx, s.gen.kit, s.gen.pids.schedules, func(to messages.Ref) any { c.ReplyTo = to; return c })
}

func (s schedules) Delete(ctx context.Context, c messages.DeleteSchedule) (messages.DeleteScheduleReply, error) {
	return ask[messages.DeleteScheduleReply](ctx, s.gen.kit, s.gen.pids.schedules, func(to messages.Ref) any { c.ReplyTo = to; return c })
}

func (s schedules) Switch(ctx context.Context, c messages.SwitchSchedule) (messages.SwitchScheduleReply, error) {
	return ask[messages.SwitchScheduleReply](ctx, s.gen.kit, s.gen.pids.schedules, func(to messages.Ref) any { c.ReplyTo = to; return c })
}

func (s schedules) SwitchAll(ctx context.Context, c messages.SwitchAllSchedules) (messages.SwitchAllSchedulesReply, error) {
	return ask[messages.SwitchAllSchedulesReply](ctx, s.gen.kit, s.gen.pids.schedules, func(to messages.Ref) any { c.ReplyTo = to; return c })
}

// schedulerFile is the key of the schedule file.
const schedulerFile = "scheduler.configfile"

// schedulerFindings warns of a schedule file that cannot be read, and of schedules in
// it that cannot run. The service runs without them.
func schedulerFindings(cfg *config.Config) []config.Finding {
	section := cfg.Scheduler()
	if !section.Enable || misplaced(cfg, section.ConfigFile) != "" { // which is a finding of its own
		return nil
	}
	var out []config.Finding
	warn := func(reason, suggestion string) {
		out = append(out, config.Finding{Warning: true, Path: schedulerFile, Reason: reason, Suggestion: suggestion})
	}
	err := wholefile.Openable(section.ConfigFile)
	var book messages.ScheduleBook
	if err == nil {
		book, err = schedulefile.New(section.ConfigFile).Load(context.Background())
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		warn(fmt.Sprintf("there are no schedules: %v", err), "leave it if schedules are to be made over REST; the first one makes the file")
	case err != nil:
		warn(fmt.Sprintf("there are no schedules: %v", err), "name a file with the list butlerSchedule")
	}
	for _, reason := range book.Refused {
		warn(reason, "it is left out until that is corrected")
	}
	for _, s := range book.Schedules {
		if err := schedule.Fit(s); err != nil {
			warn(fmt.Sprintf("the schedule %s cannot run: %s", s.ID, strings.ReplaceAll(err.Error(), "\n", "; ")), "it is stopped until that is corrected")
		} else if s.Undecided() {
			warn(fmt.Sprintf("the schedule %s does not run: its startupState is %q", s.ID, s.StartupState), "write started for it to run, stopped for it not to")
		}
	}
	return out
}
