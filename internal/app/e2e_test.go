package app_test

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"butler/config"
	"butler/internal/app"
	"butler/internal/demo"
	"butler/internal/qlik"
	"butler/internal/sim"
	"butler/internal/sim/appender"
	"butler/internal/sim/edge"
	"butler/internal/sim/qrssim"
	"butler/internal/sim/sink"
	"butler/internal/sim/world"
	"butler/internal/winsvc/winsvctest"
	"butler/messages"
)

// patience bounds every wait of an end-to-end test.
const patience = 3 * time.Minute

// client makes each call over a connection of its own: one that is kept may lead to
// a server that is gone.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// site is a service beside a simulated Qlik Sense site.
type site struct {
	t       *testing.T
	sim     *sim.Sim
	app     *app.App
	dir     string
	environ []string
	logs    *observer.ObservedLogs
	mu      sync.Mutex
	settled []messages.NoticeSettled
	// lookEvery is how often the service looks at its files; 0 is its default.
	lookEvery time.Duration
	// services are the Windows services around the site.
	services winsvctest.Hosts
}

func startSite(t *testing.T, o demo.Settings, environ ...string) *site {
	t.Helper()
	s := siteOf(t, environ...)
	s.startApp(o)
	return s
}

// siteOf starts the simulation without the service.
func siteOf(t *testing.T, environ ...string) *site {
	t.Helper()
	return siteWith(t, sim.Options{}, environ...)
}

// siteWith is siteOf for a simulation of its own kind.
func siteWith(t *testing.T, o sim.Options, environ ...string) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), environ: environ}
	o.Seed, o.CertDir, o.HTTP = 7, filepath.Join(s.dir, "cert"), sink.HTTPOptions{History: 1 << 17}
	neighbourhood, err := sim.New(o)
	must(t, err)
	s.sim = neighbourhood
	must(t, s.sim.Start())
	t.Cleanup(s.sim.Stop)
	return s
}

func (s *site) startApp(o demo.Settings) {
	s.t.Helper()
	o.Directory = s.dir
	path, err := demo.WriteConfig(s.sim, o)
	must(s.t, err)
	s.startFile(path)
}

// startFile starts the service with a configuration file.
func (s *site) startFile(path string) {
	s.startOn(path)
}

// startOn starts the service on a configuration file.
func (s *site) startOn(path string) {
	s.t.Helper()
	load := func() (*config.Config, error) {
		return config.Load(config.Options{Path: path, Schemas: app.Schemas(), Environ: s.environ})
	}
	cfg, err := load()
	must(s.t, err)
	core, logs := observer.New(zap.DebugLevel)
	s.logs = logs
	s.app, err = app.New(app.Options{Config: cfg, Log: zap.New(core), OnSettled: s.onSettled, Services: &s.services, Load: load, LookEvery: s.lookEvery})
	must(s.t, err)
	must(s.t, s.app.Start(s.t.Context()))
	stopped := s.app
	s.t.Cleanup(func() {
		if s.app == stopped {
			s.stopApp()
		}
	})
	if s.app.UDPAddress().IsValid() {
		must(s.t, s.sim.Aim(s.app.UDPAddress().String()))
	}
}

func (s *site) stopApp() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.app.Stop(ctx); err != nil {
		s.t.Errorf("stop the service: %v", err)
	}
	s.app = nil
	for _, line := range s.logs.FilterLevelExact(zap.ErrorLevel).All() {
		if line.Message == "actor panicked" {
			s.t.Errorf("want no bug, got %v", line.ContextMap())
		}
	}
}

func (s *site) onSettled(n messages.NoticeSettled) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled = append(s.settled, n)
}

func (s *site) ends() []messages.NoticeSettled {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.settled)
}

// run makes a task's execution end now and announces it as family.
func (s *site) run(typ qlik.TaskType, outcome world.Outcome, family messages.Family) world.Execution {
	s.t.Helper()
	id, ok := s.sim.World.TaskOfType(typ, 0)
	if !ok {
		s.t.Fatalf("the site has no task of type %s", typ)
	}
	execution := s.ended(id, outcome)
	s.announce(execution, family)
	return execution
}

// ended makes an execution of a task that took 42 seconds and ended a second ago.
func (s *site) ended(taskID string, outcome world.Outcome) world.Execution {
	s.t.Helper()
	outcome.Duration = 42 * time.Second
	execution, err := s.sim.World.Run(taskID, outcome, s.sim.World.Now().Add(-43*time.Second))
	must(s.t, err)
	return execution
}

func (s *site) announce(e world.Execution, family messages.Family) {
	s.t.Helper()
	must(s.t, s.sim.Announce(appender.EventOf(e, appender.TypeOf(family), time.Now())))
}

// idle waits until nothing is left to decide or to send, having seen n ends of notices.
func (s *site) idle(n int) {
	s.t.Helper()
	s.until(fmt.Sprintf("%d notices ended and nothing waits", n), func() bool {
		events, notices := s.app.Backlog()
		return events == 0 && notices == 0 && len(s.ends()) >= n
	})
}

func (s *site) until(what string, done func() bool) {
	s.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-deadline.C:
			for _, line := range s.logs.FilterLevelExact(zap.WarnLevel).All() {
				s.t.Logf("%s %v", line.Message, line.ContextMap())
			}
			s.t.Fatalf("want %s within %s; settled: %+v", what, patience, s.ends())
		case <-tick.C:
		}
	}
}

// told lists which destinations delivered how many notices.
func (s *site) told() map[string]int {
	out := map[string]int{}
	for _, n := range s.ends() {
		if n.Outcome == messages.NoticeDelivered {
			out[n.Instance]++
		}
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// processed counts the events whose handling ended, from the log.
func (s *site) processed() int {
	n := 0
	for _, line := range s.logs.All() {
		if strings.HasPrefix(line.Message, "alert decided") || strings.HasPrefix(line.Message, "event handled") || strings.HasPrefix(line.Message, "event dropped") {
			n++
		}
	}
	return n
}

func TestService_alertsWithoutTheRepository(t *testing.T) {
	s := startSite(t, demo.Settings{InMemory: true, DegradedAfter: "300ms", Off: []string{"influxdb", "disklog"}})
	must(t, s.sim.QRS.Outage(true))
	execution := s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.idle(3)
	told := s.told()
	if told["slack/reload_task_failed"] != 1 || told["webhook/reload_task_failed/1"] != 1 || told["email/reload_task_failed"] != 1 {
		t.Errorf("want e-mail, Slack and webhook told, got %v", told)
	}
	for _, req := range s.sim.HTTP.History().All() {
		if strings.HasPrefix(req.Path, "/hook") && !strings.Contains(string(req.Body), `"degraded"`) {
			t.Errorf("want the alert marked as degraded, got %s", req.Body)
		}
		if !req.Mentions(execution.TaskID) {
			t.Errorf("want the task's ID, got %s", req.Body)
		}
	}
}

func TestService_followsADistributeTaskAcrossARestart(t *testing.T) {
	s := startSite(t, demo.Settings{PollEvery: "1s", Off: []string{"slack", "webhook", "disklog"}})
	id, _ := s.sim.World.TaskOfType(qlik.TaskDistribute, 0)
	execution, err := s.sim.World.Start(id, world.Outcome{Final: qlik.StatusFinishedFail, Duration: 4 * time.Second})
	must(t, err)
	s.announce(execution, messages.FamilyDistribute)
	s.until("the task followed", func() bool { return s.logs.FilterMessage("distribute task is followed until it ends").Len() == 1 })
	s.until("its event handled", func() bool { events, _ := s.app.Backlog(); return events == 0 })
	s.stopApp()
	s.startApp(demo.Settings{PollEvery: "1s", Off: []string{"slack", "webhook", "disklog"}})
	s.idle(2)
	told := s.told()
	if told["email/distribute_task_failed"] != 1 || told["influxdb"] != 1 && told["influxdb/distribute_task_failed"] != 1 {
		t.Errorf("want one mail and one point, got %v", told)
	}
}

func TestService_followsADistributeTaskThroughItsStatesUntilItEnds(t *testing.T) {
	states := []qlik.ExecutionStatus{qlik.StatusDistributionQueue, qlik.StatusDistributionRunning}
	for _, r := range []row{
		{outcome: world.Succeed(), measurement: "distribute_task_success", subject: "✅ Qlik Sense distribution succeeded"},
		{outcome: world.Fail(), measurement: "distribute_task_failed", subject: "❌ Qlik Sense distribution failed"},
	} {
		t.Run(r.outcome.Final.String(), func(t *testing.T) {
			t.Parallel()
			s := startSite(t, demo.Settings{InMemory: true, PollEvery: "1s"})
			id, _ := s.sim.World.TaskOfType(qlik.TaskDistribute, 0)
			execution, err := s.sim.World.Start(id, world.Outcome{Final: r.outcome.Final, Through: states, Duration: 9 * time.Second})
			must(t, err)
			s.announce(execution, messages.FamilyDistribute)
			s.idle(2)
			s.checkInflux(r, execution)
			s.checkMail(r, execution)
			s.checkHTTP(r, execution)
			s.wantsLooks(execution, states)
			for _, m := range s.sim.SMTP.Messages().All() {
				if m.At.Before(execution.End) {
					t.Errorf("want nobody told before the end at %v, got a mail at %v", execution.End, m.At)
				}
			}
		})
	}
}

// wantsLooks fails unless the repository was asked about a task in each of the states.
func (s *site) wantsLooks(e world.Execution, states []qlik.ExecutionStatus) {
	s.t.Helper()
	var entered []time.Time
	task, _ := s.sim.World.Task(e.TaskID)
	for _, d := range task.Operational.LastExecutionResult.Details {
		at, err := time.Parse(time.RFC3339, d.DetailCreatedDate)
		must(s.t, err)
		entered = append(entered, at)
	}
	entered = entered[len(entered)-len(states)-1:] // the states, and the end
	for i, state := range states {
		looked := slices.ContainsFunc(s.sim.QRS.Requests().All(), func(r qrssim.Request) bool {
			return strings.Contains(r.Path+r.Filter, e.TaskID) && r.At.After(entered[i]) && r.At.Before(entered[i+1])
		})
		if !looked {
			s.t.Errorf("want the task looked at while it was in %s, from %v to %v", state, entered[i], entered[i+1])
		}
	}
}

func TestService_oneSlowDestinationDelaysNobody(t *testing.T) {
	s := startSite(t, demo.Settings{InMemory: true, Off: []string{"influxdb", "disklog"}})
	s.sim.HTTP.Faults().Set(edge.Rule{Name: "hang", Kind: edge.Hang, PathPrefix: "/slack"})
	const n = 5
	for range n {
		s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	}
	s.until("the webhook told of every failure", func() bool { return s.told()["webhook/reload_task_failed/1"] == n })
	if got := s.told()["slack/reload_task_failed"]; got != 0 {
		t.Errorf("want Slack still hanging, got %d", got)
	}
	s.sim.HTTP.Faults().Clear()
}

func TestService_leavesTheMailServerWhenItStops(t *testing.T) {
	s := startSite(t, demo.Settings{InMemory: true, Off: []string{"slack", "webhook", "influxdb", "disklog"}})
	for alert := range 3 {
		s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
		s.idle(3 * (alert + 1)) // two addresses of the owner, and a global recipient
	}
	if mails, connections := s.told()["email/reload_task_failed"], s.sim.SMTP.Connections(); mails != 9 || connections > 8 {
		t.Errorf("want 9 mails in fewer connections, got %d in %d", mails, connections)
	}
	s.stopApp()
	stopped := time.Now()
	s.until("no connection left", func() bool { return s.sim.SMTP.Connected() == 0 })
	if took := time.Since(stopped); took > 3*time.Second {
		t.Errorf("the connection ended by itself, %v after the service", took)
	}
}

func TestService_suppressesWithinTheWindowAndTellsHowMany(t *testing.T) {
	s := startSite(t, demo.Settings{InMemory: true, RateLimit: 5, Off: []string{"email", "slack", "influxdb", "disklog"}})
	s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.idle(1)
	s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.idle(3)
	s.until("the window over and the next alert told", func() bool {
		s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
		s.until("the failure ended", func() bool { _, notices := s.app.Backlog(); return notices == 0 })
		return s.told()["webhook/reload_task_failed/1"] >= 2
	})
	all := s.sim.HTTP.History().All()
	if last := string(all[len(all)-1].Body); !strings.Contains(last, "suppressedAlerts") {
		t.Errorf("want the second alert to tell of the suppressed ones, got %s", last)
	}
}

func TestService_retriesUntilTheDestinationIsBack(t *testing.T) {
	s := startSite(t, demo.Settings{InMemory: true, Off: []string{"email", "slack", "influxdb", "disklog"}, Extra: "  delivery: {retryInitial: 50ms, breakerOpenFor: 200ms}"})
	s.sim.HTTP.Faults().Set(edge.Rule{Name: "down", Kind: edge.Status, Status: 503, Times: 3})
	s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.idle(1)
	ends := s.ends()
	if len(ends) != 1 || ends[0].Outcome != messages.NoticeDelivered || ends[0].Attempts != 4 {
		t.Errorf("want one delivery at the fourth attempt, got %+v", ends)
	}
}

func TestService_dropsRepetitionsAndUnknownTasks(t *testing.T) {
	s := startSite(t, demo.Settings{InMemory: true, Off: []string{"email", "slack", "influxdb", "disklog"}})
	execution := s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.announce(execution, messages.FamilyFailed)
	unknown := execution
	unknown.TaskID, unknown.ExecutionID = "00000000-1111-4222-8333-444455556666", "0aaaaaaa-1111-4222-8333-444455556666"
	s.announce(unknown, messages.FamilyFailed)
	s.until("the unknown task dropped", func() bool {
		return s.logs.FilterMessage("event dropped, the task does not exist").Len() == 1
	})
	s.until("the repetition dropped", func() bool { return s.logs.FilterMessage("duplicate event dropped").Len() == 1 })
	s.idle(1)
	if got := s.told(); got["webhook/reload_task_failed/1"] != 1 || len(got) != 1 {
		t.Errorf("want one webhook call, got %v", got)
	}
}
