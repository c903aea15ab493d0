package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"

	"butler/config"
	"butler/internal/app"
	"butler/internal/demo"
	"butler/internal/qlik"
	"butler/internal/sim/edge"
	"butler/internal/sim/world"
	"butler/internal/trail"
	"butler/internal/udp"
	"butler/messages"
)

// explain asks the running service about an execution.
func (s *site) explain(id string) trail.Story {
	s.t.Helper()
	var story trail.Story
	if status := s.get("/admin/explain?execution="+url.QueryEscape(id), &story); status != 200 {
		s.t.Fatalf("explain %s: status %d", id, status)
	}
	return story
}

// explainOffline reads the journal of the service, which does not run.
func (s *site) explainOffline(id string) (story trail.Story) {
	s.t.Helper()
	s.offline(func(a app.OfflineAdmin) (err error) {
		story, err = a.Explain(context.Background(), id)
		return err
	})
	return story
}

// offline uses the journal of the service, which does not run.
func (s *site) offline(use func(app.OfflineAdmin) error) {
	s.t.Helper()
	cfg, err := config.Load(config.Options{Path: s.dir + "/butler.yaml", Schemas: app.Schemas(), Environ: s.environ})
	must(s.t, err)
	must(s.t, app.Offline(s.t.Context(), cfg, use))
}

// wantStory fails unless a story has a state, and steps with these texts in this order.
func wantStory(t *testing.T, got trail.Story, state trail.State, steps ...string) {
	t.Helper()
	left := steps
	for _, step := range got.Steps {
		if len(left) > 0 && strings.Contains(step.What+" "+step.Destination+" "+step.Text, left[0]) {
			left = left[1:]
		}
	}
	if got.State != state || len(left) > 0 {
		told, _ := json.MarshalIndent(got, "", " ")
		t.Errorf("want state %s and steps %q, miss %q in %s", state, steps, left, told)
	}
}

func TestExplain_ofDeliveredSuppressedParkedAndRepeatedExecutions(t *testing.T) {
	settings := demo.Settings{RateLimit: 3600, Off: []string{"email", "influxdb", "disklog"}}
	s := startSite(t, settings)
	delivered := s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.idle(2)
	s.announce(delivered, messages.FamilyFailed)
	s.until("the repetition dropped", func() bool { return s.logs.FilterMessage("duplicate event dropped").Len() == 1 })
	suppressed := s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.idle(4)
	s.sim.HTTP.Faults().Set(edge.Rule{Name: "refused", Kind: edge.Status, Status: 400})
	parked := s.run(qlik.TaskReload, world.Outcome{Final: qlik.StatusAborted}, messages.FamilyAborted)
	s.idle(6)

	check := func(when string, explain func(string) trail.Story) {
		t.Helper()
		t.Log(when)
		story := explain(strings.ToUpper(delivered.ExecutionID))
		wantStory(t, story, trail.Delivered, "received", "looked_up  task", "decided  alert decided: reload_task_failed, 2 messages", "accepted in", "duplicate")
		if story.TaskID != delivered.TaskID || story.TaskType != "reload" || len(story.Notices) != 2 || story.Steps[0].Payload == "" {
			t.Errorf("want the task and two notices, got %+v", story)
		}
		wantStory(t, explain(suppressed.ExecutionID), trail.Suppressed, "received", "decided", "suppressed webhook/reload_task_failed/1")
		story = explain(parked.ExecutionID)
		wantStory(t, story, trail.Parked, "received", "decided", "failed after", "parked webhook/reload_task_aborted/1")
		if i := slices.IndexFunc(story.Notices, func(n trail.Notice) bool { return n.State == trail.Parked }); !strings.Contains(story.Notices[i].Reason, "400") {
			t.Errorf("want the answer of the destination, got %+v", story.Notices)
		}
	}
	check("while it runs", s.explain)
	s.stopApp()
	check("from its journal", s.explainOffline)
	s.startApp(settings)
	check("after a restart", s.explain)
	s.stopApp()
	s.offline(func(a app.OfflineAdmin) error {
		_, err := a.DropParked(t.Context(), "webhook", nil)
		_, also := a.DropParked(t.Context(), "slack", nil)
		return errors.Join(err, also)
	})
	wantStory(t, s.explainOffline(parked.ExecutionID), trail.Dropped, "parked webhook/reload_task_aborted/1", "dropped webhook/reload_task_aborted/1 "+trail.ByOperator)
}

func TestExplain_ofRefusedDroppedAndUnknownExecutions(t *testing.T) {
	s := startSite(t, demo.Settings{InMemory: true, Off: []string{"email", "influxdb", "disklog"}})
	const unknown, refused, gone = "0aaaaaaa-1111-4222-8333-000000000001", "0aaaaaaa-1111-4222-8333-000000000002", "0aaaaaaa-1111-4222-8333-000000000003"
	wantStory(t, s.explain(unknown), trail.Unknown)

	connection, err := net.Dial("udp", s.app.UDPAddress().String())
	must(t, err)
	defer connection.Close()
	_, err = connection.Write([]byte("/scheduler-reload-failed/;too;short;" + refused))
	must(t, err)
	s.until("the datagram refused", func() bool { return s.explain(refused).State == trail.Refused })
	wantStory(t, s.explain(refused), trail.Refused, "refused  field_count")

	execution := s.ended(s.taskOf(qlik.TaskReload), world.Fail())
	execution.TaskID, execution.ExecutionID = "00000000-1111-4222-8333-444455556666", gone
	s.announce(execution, messages.FamilyFailed)
	s.until("the unknown task dropped", func() bool {
		return s.logs.FilterMessage("event dropped, the task does not exist").Len() == 1
	})
	story := s.explain(gone)
	wantStory(t, story, trail.Silent, "received", "looked_up  task: failed", "decided  event dropped, the task does not exist")

	// A datagram of the task that was refused is not what became of its executions.
	_, err = connection.Write([]byte("/scheduler-reload-failed/;too;short;" + execution.TaskID))
	must(t, err)
	s.until("a second datagram refused", func() bool { return strings.Contains(strings.Join(s.explain(unknown).Hints, "\n"), "2 refused") })
	story = s.explain("{" + strings.ToUpper(execution.TaskID) + "}") // as the QMC and others write it
	hints := strings.Join(story.Hints, "\n")
	if story.State != trail.Unknown || len(story.Steps) != 0 || !strings.Contains(hints, trail.HintOfTask) || !strings.Contains(hints, "1 refused datagrams that name it") {
		t.Errorf("want the executions of the task and one that was refused, got %s %q, %v", story.State, story.Hints, story.Steps)
	}
	if len(story.OfTask) != 1 {
		t.Fatalf("want one execution, got %v", story.OfTask)
	}
	if got := story.OfTask[0]; got.ExecutionID != gone || got.State != trail.Silent || got.Summary != "event dropped, the task does not exist" || got.At.IsZero() {
		t.Errorf("want %s with its time and outcome, got %+v", gone, got)
	}
	story = s.explain(unknown)
	hints = strings.Join(story.Hints, "\n")
	for _, want := range []string{"journal.keepFor", "journal.trailFor", "2 refused datagrams", "log appender"} {
		if story.State != trail.Unknown || !strings.Contains(hints, want) {
			t.Errorf("want a hint about %s, got %s: %s", want, story.State, hints)
		}
	}
}

func TestExplain_ofEveryIDThatIsAccepted(t *testing.T) {
	s := startSite(t, demo.Settings{InMemory: true, Off: []string{"email", "slack", "influxdb", "disklog"}})
	execution := s.ended(s.taskOf(qlik.TaskReload), world.Fail())
	for _, id := range []struct{ what, sent, asked string }{
		{"the longest", strings.Repeat("🦊", udp.MaxCharacters) + "cut", strings.Repeat("🦊", udp.MaxCharacters)},
		{"one in braces", "{run 7}", "{run 7}"},
		{"one with a blank before and behind it", " run 8 ", " run 8 "},
		{"one that looks like a place", "event/x", "event/x"},
		{"one with a character that is taken out", "run\v 9", "run 9"},
		{"one with bytes that are no text", "run \xff", "run \ufffd"},
	} {
		execution.ExecutionID = id.sent
		s.announce(execution, messages.FamilyFailed)
		s.until(id.what+" decided", func() bool {
			story := s.explain(id.asked)
			return story.ExecutionID == id.asked && slices.ContainsFunc(story.Steps, func(step trail.Step) bool { return step.What == "received" }) &&
				slices.ContainsFunc(story.Steps, func(step trail.Step) bool { return step.What == "decided" })
		})
	}
}

func (s *site) taskOf(typ qlik.TaskType) string {
	s.t.Helper()
	id, ok := s.sim.World.TaskOfType(typ, 0)
	if !ok {
		s.t.Fatalf("the site has no task of type %s", typ)
	}
	return id
}

func TestExplain_ofADegradedAlertAndARetriedNotice(t *testing.T) {
	s := startSite(t, demo.Settings{
		InMemory: true, DegradedAfter: "300ms", Off: []string{"email", "slack", "influxdb", "disklog"},
		Extra: "  delivery: {retryInitial: 50ms, breakerOpenFor: 200ms}",
	})
	must(t, s.sim.QRS.Outage(true))
	s.sim.HTTP.Faults().Set(edge.Rule{Name: "down", Kind: edge.Status, Status: 503, Times: 2})
	execution := s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.idle(1)
	story := s.explain(execution.ExecutionID)
	wantStory(t, story, trail.Delivered, "looked_up  task:", "did not answer within 300ms", "attempt 1 failed", "attempt 2 failed", "attempt 3 accepted")
	if story.Notices[0].Attempts != 3 {
		t.Errorf("want 3 attempts, got %+v", story.Notices)
	}
}

func TestExplain_ofADistributeTaskThatIsFollowed(t *testing.T) {
	s := startSite(t, demo.Settings{InMemory: true, PollEvery: "1s", Off: []string{"slack", "influxdb", "disklog"}})
	execution, err := s.sim.World.Start(s.taskOf(qlik.TaskDistribute), world.Outcome{Final: qlik.StatusFinishedFail, Duration: patience})
	must(t, err)
	s.announce(execution, messages.FamilyDistribute)
	s.until("the task followed", func() bool { return s.explain(execution.ExecutionID).State == trail.Following })
	wantStory(t, s.explain(execution.ExecutionID), trail.Following, "received", "looked_up  task: answered by the repository", "decided  distribute task is followed")
}

func TestExplain_withoutDeduplicationFindsWhatOneExecutionHasLedTo(t *testing.T) {
	s := startSite(t, demo.Settings{
		InMemory: true, Off: []string{"email", "slack", "influxdb", "disklog"},
	}, "BUTLER_UDPSERVERCONFIG_DEDUPLICATION_ENABLE=false")
	execution := s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.announce(execution, messages.FamilyFailed)
	s.idle(2)
	story := s.explain(execution.ExecutionID)
	wantStory(t, story, trail.Delivered, "received", "decided", "accepted")
	if len(story.Notices) != 2 {
		t.Errorf("want both notices, got %+v", story.Notices)
	}
}
