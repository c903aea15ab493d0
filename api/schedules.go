package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"butler/api/web"
	"butler/messages"
)

// Schedules is the scheduler as the API sees it. An error is a failure of the
// scheduler itself; what it refuses is in the replies.
type Schedules interface {
	List(ctx context.Context, command messages.ListSchedules) (messages.ListSchedulesReply, error)
	Describe(ctx context.Context) (messages.DescribeSchedulesReply, error)
	Create(ctx context.Context, command messages.CreateSchedule) (messages.CreateScheduleReply, error)
	Delete(ctx context.Context, command messages.DeleteSchedule) (messages.DeleteScheduleReply, error)
	Switch(ctx context.Context, command messages.SwitchSchedule) (messages.SwitchScheduleReply, error)
	SwitchAll(ctx context.Context, command messages.SwitchAllSchedules) (messages.SwitchAllSchedulesReply, error)
}

// maxRuns bounds how many of the next runs are listed.
const maxRuns = 100

// scheduled is a schedule with what the caller has asked for beside it.
type scheduled struct {
	messages.Schedule
	// NextRuns are ISO times in UTC.
	NextRuns []string `json:"nextRuns,omitempty"`
	// Problem says why it cannot run.
	Problem string `json:"problem,omitempty"`
}

func (r *rest) scheduleList(c *call) (int, any, error) {
	query := c.query()
	id, named, err := query.text("id")
	if err != nil {
		return 0, nil, err
	}
	if named && id == "" {
		return 0, nil, web.Problemf(http.StatusBadRequest, web.CodeValidation, "querystring/id must NOT have fewer than 1 characters")
	}
	runs, err := query.number("runs")
	if err != nil || runs < 0 || runs > maxRuns {
		return 0, nil, errors.Join(web.Problemf(http.StatusBadRequest, web.CodeValidation, "querystring/runs must be a number from 0 to %d", maxRuns), err)
	}
	ctx, cancel := web.Bounded()
	defer cancel()
	reply, err := r.opts.Schedules.List(ctx, messages.ListSchedules{ID: id, Runs: int(runs)})
	if err == nil {
		err = scheduleRefusal(reply.Failure, id)
	}
	out := make([]scheduled, 0, len(reply.Schedules))
	for _, s := range reply.Schedules {
		one := scheduled{Schedule: s.Schedule, Problem: s.Problem}
		for _, at := range s.Next {
			one.NextRuns = append(one.NextRuns, at.UTC().Format(time.RFC3339))
		}
		out = append(out, one)
	}
	return http.StatusOK, out, err
}

func (r *rest) scheduleStatus(*call) (int, any, error) {
	ctx, cancel := web.Bounded()
	defer cancel()
	reply, err := r.opts.Schedules.Describe(ctx)
	return http.StatusOK, reply.Text, err
}

func (r *rest) scheduleCreate(c *call) (int, any, error) {
	body, err := c.object()
	if err != nil {
		return 0, nil, err
	}
	var s messages.Schedule
	for _, field := range []struct {
		name string
		into *string
	}{
		{"name", &s.Name},
		{"cronSchedule", &s.Cron},
		{"timezone", &s.Timezone},
		{"qlikSenseTaskId", &s.TaskID},
		{"startupState", &s.StartupState},
	} {
		if *field.into, err = body.nonEmptyText(field.name); err != nil {
			return 0, nil, err
		}
	}
	if s.Tags, err = body.texts("tags"); err != nil {
		return 0, nil, err
	}
	ctx, cancel := web.Bounded()
	defer cancel()
	reply, err := r.opts.Schedules.Create(ctx, messages.CreateSchedule{Schedule: s})
	if err == nil {
		err = scheduleRefusal(reply.Failure, "")
	}
	return http.StatusCreated, reply.Schedule, err
}

func (r *rest) scheduleDelete(c *call) (int, any, error) {
	id, err := c.scheduleID()
	if err != nil {
		return 0, nil, err
	}
	ctx, cancel := web.Bounded()
	defer cancel()
	reply, err := r.opts.Schedules.Delete(ctx, messages.DeleteSchedule{ID: id})
	if err == nil {
		err = scheduleRefusal(reply.Failure, id)
	}
	return http.StatusNoContent, nil, err
}

// scheduleSwitch starts or stops the schedule that the path names.
func (r *rest) scheduleSwitch(to messages.ScheduleState) func(*call) (int, any, error) {
	return func(c *call) (int, any, error) {
		id, err := c.scheduleID()
		if err != nil {
			return 0, nil, err
		}
		ctx, cancel := web.Bounded()
		defer cancel()
		reply, err := r.opts.Schedules.Switch(ctx, messages.SwitchSchedule{ID: id, To: to})
		if err == nil {
			err = scheduleRefusal(reply.Failure, id)
		}
		return http.StatusOK, []messages.Schedule{reply.Schedule}, err
	}
}

func (r *rest) scheduleSwitchAll(to messages.ScheduleState) func(*call) (int, any, error) {
	return func(*call) (int, any, error) {
		ctx, cancel := web.Bounded()
		defer cancel()
		reply, err := r.opts.Schedules.SwitchAll(ctx, messages.SwitchAllSchedules{To: to})
		if err == nil {
			err = scheduleRefusal(reply.Failure, "")
		}
		return http.StatusOK, append([]messages.Schedule{}, reply.Schedules...), err
	}
}

// scheduleID returns the schedule that the path names; an empty one is none.
func (c *call) scheduleID() (string, error) {
	if id := c.parameters.get("scheduleId"); id != "" {
		return id, nil
	}
	return "", web.Problemf(http.StatusBadRequest, web.CodeValidation, "params/scheduleId must NOT have fewer than 1 characters")
}

// scheduleRefusal turns a failure of the scheduler into the error for the caller.
func scheduleRefusal(f messages.Failure, id string) error {
	switch {
	case !f.Failed():
		return nil
	case f.Kind == messages.FailureNotFound:
		return web.Problemf(http.StatusBadRequest, "", "%s: '%s'", f.Text, id)
	case f.Kind == messages.FailureRejected:
		return web.Problemf(http.StatusBadRequest, "", "%s", f.Text)
	case f.Kind == messages.FailureBusy:
		return web.Problemf(http.StatusServiceUnavailable, "", "%s", f.Text)
	default: // the text names paths of the machine, and is for the log
		return web.Problemf(http.StatusInternalServerError, "", "the schedule file cannot be read or written, nothing has changed; "+
			"/health and the log of the service say what is wrong with it; correct that, and call again a minute later")
	}
}
