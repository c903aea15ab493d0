package api

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"butler/messages"
)

// scheduler knows one schedule, and refuses what it is told to.
type scheduler struct{ failure messages.Failure }

var nightly = messages.Schedule{
	ID: "s-1", Created: "2031-03-01T10:00:00.000Z", Name: "Nightly", Cron: "0 0 2 * * *", Timezone: "Europe/Oslo",
	TaskID: "5b0c1f0e-7a55-4e0b-9a40-3d1f6a2b9c77", StartupState: "stopped", LastKnownState: messages.ScheduleStopped,
}

func (s *scheduler) known(id string) messages.Failure {
	if id != nightly.ID && !s.failure.Failed() {
		return messages.Failure{Kind: messages.FailureNotFound, Text: "no schedule has this ID"}
	}
	return s.failure
}

func (s *scheduler) List(_ context.Context, c messages.ListSchedules) (messages.ListSchedulesReply, error) {
	if c.ID != "" && c.ID != nightly.ID {
		return messages.ListSchedulesReply{Failure: s.known(c.ID)}, nil
	}
	status := messages.ScheduleStatus{Schedule: nightly}
	for n := range c.Runs {
		status.Next = append(status.Next, time.Date(2031, 3, 2+n, 1, 0, 0, 0, time.UTC))
	}
	return messages.ListSchedulesReply{Schedules: []messages.ScheduleStatus{status}}, nil
}

func (s *scheduler) Describe(context.Context) (messages.DescribeSchedulesReply, error) {
	if s.failure.Failed() {
		return messages.DescribeSchedulesReply{}, errors.New(s.failure.Text)
	}
	return messages.DescribeSchedulesReply{Text: "{\n's-1': 0 0 2 * * * status: Stopped \n}"}, nil
}

func (s *scheduler) Create(_ context.Context, c messages.CreateSchedule) (messages.CreateScheduleReply, error) {
	if c.Schedule.StartupState == "perhaps" {
		return messages.CreateScheduleReply{Failure: messages.Failure{Kind: messages.FailureRejected, Text: "startupState must be start or stop"}}, nil
	}
	out := c.Schedule
	out.ID, out.Created, out.LastKnownState = nightly.ID, nightly.Created, messages.ScheduleStopped
	return messages.CreateScheduleReply{Schedule: out, Failure: s.failure}, nil
}

func (s *scheduler) Delete(_ context.Context, c messages.DeleteSchedule) (messages.DeleteScheduleReply, error) {
	return messages.DeleteScheduleReply{Failure: s.known(c.ID)}, nil
}

func (s *scheduler) Switch(_ context.Context, c messages.SwitchSchedule) (messages.SwitchScheduleReply, error) {
	out := nightly
	out.LastKnownState = c.To
	return messages.SwitchScheduleReply{Schedule: out, Failure: s.known(c.ID)}, nil
}

func (s *scheduler) SwitchAll(_ context.Context, c messages.SwitchAllSchedules) (messages.SwitchAllSchedulesReply, error) {
	out := nightly
	out.LastKnownState = c.To
	return messages.SwitchAllSchedulesReply{Schedules: []messages.Schedule{out}, Failure: s.failure}, nil
}

const nightlyJSON = `{"id":"s-1","created":"2031-03-01T10:00:00.000Z","name":"Nightly","cronSchedule":"0 0 2 * * *","timezone":"Europe/Oslo",` +
	`"qlikSenseTaskId":"5b0c1f0e-7a55-4e0b-9a40-3d1f6a2b9c77","startupState":"stopped","lastKnownState":"stopped"}`

func TestContract_schedules(t *testing.T) {
	const all, one = "/v4/schedules", "/v4/schedules/{scheduleId}"
	const wish = `{"name":"Nightly","cronSchedule":"0 0 2 * * *","timezone":"Europe/Oslo","qlikSenseTaskId":"5b0c1f0e-7a55-4e0b-9a40-3d1f6a2b9c77",` +
		`"startupState":"stopped","tags":["n"],"id":"mine","more":1}`
	off := messages.Failure{Kind: messages.FailureBusy, Text: "the scheduler is switched off"}
	broken := messages.Failure{Kind: messages.FailureUnavailable, Text: "write /srv/plans/schedule.yaml: read-only file system"}
	for _, row := range []struct {
		path    string
		failure messages.Failure
		request
	}{
		{all, messages.Failure{}, request{name: "all", method: "GET", target: "/v4/schedules", want: 200, answer: "[" + nightlyJSON + "]"}},
		{all, messages.Failure{}, request{name: "one", method: "GET", target: "/v4/schedules?id=s-1", want: 200, answer: "[" + nightlyJSON + "]"}},
		{all, messages.Failure{}, request{name: "one with its next runs", method: "GET", target: "/v4/schedules?id=s-1&runs=2", want: 200, answer: "[" + nightlyJSON[:len(nightlyJSON)-1] + `,"nextRuns":["2031-03-02T01:00:00Z","2031-03-03T01:00:00Z"]}]`}},
		{all, messages.Failure{}, request{name: "an unknown one", method: "GET", target: "/v4/schedules?id=no", want: 400}},
		{all, messages.Failure{}, request{name: "one without an ID", method: "GET", target: "/v4/schedules?id=", want: 400}},
		{all, messages.Failure{}, request{name: "too many runs", method: "GET", target: "/v4/schedules?runs=101", want: 400}},
		{all, messages.Failure{}, request{name: "create", method: "POST", target: "/v4/schedules", body: wish, want: 201, answer: nightlyJSON[:len(nightlyJSON)-1] + `,"tags":["n"]}`}},
		{all, messages.Failure{}, request{name: "create with one tag", method: "POST", target: "/v4/schedules", body: `{"name":1,"cronSchedule":"* * * * *","timezone":"UTC","qlikSenseTaskId":"x","startupState":"start","tags":"n"}`, want: 201}},
		{all, messages.Failure{}, request{name: "create without a name", method: "POST", target: "/v4/schedules", body: `{"cronSchedule":"* * * * *"}`, want: 400}},
		{all, messages.Failure{}, request{name: "create with tags that are none", method: "POST", target: "/v4/schedules", body: `{"name":"a","cronSchedule":"a","timezone":"a","qlikSenseTaskId":"a","startupState":"a","tags":[{}]}`, want: 400}},
		{all, messages.Failure{}, request{name: "create in a strange state", method: "POST", target: "/v4/schedules", body: `{"name":"a","cronSchedule":"a","timezone":"a","qlikSenseTaskId":"a","startupState":"perhaps"}`, want: 400}},
		{all, off, request{name: "create while switched off", method: "POST", target: "/v4/schedules", body: wish, want: 503}},
		{all, broken, request{name: "create in a file that cannot be written", method: "POST", target: "/v4/schedules", body: wish, want: 500}},
		{one, messages.Failure{}, request{name: "delete", method: "DELETE", target: "/v4/schedules/s-1", want: 204}},
		{one, messages.Failure{}, request{name: "delete an unknown one", method: "DELETE", target: "/v4/schedules/no", want: 400}},
		{one, messages.Failure{}, request{name: "delete nothing", method: "DELETE", target: "/v4/schedules/", want: 400}},
		{one + "/start", messages.Failure{}, request{name: "start", method: "PUT", target: "/v4/schedules/s-1/start", want: 200}},
		{one + "/start", messages.Failure{}, request{name: "start nothing", method: "PUT", target: "/v4/schedules//start", want: 400}},
		{one + "/start", off, request{name: "start while switched off", method: "PUT", target: "/v4/schedules/s-1/start", want: 503}},
		{one + "/stop", messages.Failure{}, request{name: "stop", method: "PUT", target: "/v4/schedules/s-1/stop", body: "{}", want: 200, answer: "[" + nightlyJSON + "]"}},
		{one + "/stop", messages.Failure{}, request{name: "stop an unknown one", method: "PUT", target: "/v4/schedules/no/stop", want: 400, answer: `{"statusCode":400,"error":"Bad Request","message":"no schedule has this ID: 'no'"}`}},
		{"/v4/schedules/startall", messages.Failure{}, request{name: "start all", method: "PUT", target: "/v4/schedules/startall", want: 200}},
		{"/v4/schedules/stopall", messages.Failure{}, request{name: "stop all", method: "PUT", target: "/v4/schedules/stopall", want: 200}},
		{"/v4/schedules/stopall", broken, request{name: "stop all in a file that cannot be written", method: "PUT", target: "/v4/schedules/stopall", want: 500}},
		{"/v4/schedules/status", messages.Failure{}, request{name: "status", method: "GET", target: "/v4/schedules/status", want: 200}},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := newContract(t, func(o *Options) { o.Schedules = &scheduler{failure: row.failure} })
			if body := c.call(row.path, row.request); strings.Contains(string(body), "/srv") {
				t.Errorf("the answer names a path of the machine: %s", body)
			}
		})
	}
}

func TestSchedules_areNotChangedByWhoIsBoundToTags(t *testing.T) {
	const wish = `{"name":"a","cronSchedule":"* * * * *","timezone":"UTC","qlikSenseTaskId":"x","startupState":"start"}`
	c := newContract(t, func(o *Options) { o.Schedules, o.Access = &scheduler{}, startKeys })
	for _, row := range []struct{ path, method, target, body string }{
		{"/v4/schedules", "POST", "/v4/schedules", wish},
		{"/v4/schedules/{scheduleId}", "DELETE", "/v4/schedules/s-1", ""},
		{"/v4/schedules/{scheduleId}/start", "PUT", "/v4/schedules/s-1/start", ""},
		{"/v4/schedules/{scheduleId}/stop", "PUT", "/v4/schedules/s-1/stop", ""},
		{"/v4/schedules/startall", "PUT", "/v4/schedules/startall", ""},
		{"/v4/schedules/stopall", "PUT", "/v4/schedules/stopall", ""},
	} {
		r := request{name: row.method + " " + row.target, method: row.method, target: row.target, body: row.body, header: withKey("hr"), want: 403}
		c.call(row.path, r)
		r.header = withKey("reader")
		c.call(row.path, r)
		r.header, r.want = nil, 401
		c.call(row.path, r)
	}
	c.call("/v4/schedules", request{name: "a key without tags", method: "POST", target: "/v4/schedules", body: wish, header: withKey("starter"), want: 201})
}
