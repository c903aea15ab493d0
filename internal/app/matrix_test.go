package app_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/demo"
	"butler/internal/qlik"
	"butler/internal/sim/world"
	"butler/messages"
)

// row is one cell of the alert matrix: an event, and who is notified of it.
type row struct {
	family  messages.Family
	typ     qlik.TaskType
	outcome world.Outcome
	// measurement is InfluxDB's, "" for none.
	measurement string
	// subject is that of the mails, before the name of the task; "" for no mail.
	subject string
	// owner says that the owner of the app gets the mail too.
	owner bool
	// chat is the path at Slack, Teams and the webhook, "" for none. Who is notified
	// there is told everywhere: SIGNL4, New Relic, the service that a URL names.
	chat string
	disk bool
}

// matrix returns every family x task type with what the specification ticks.
func matrix() []row {
	return []row{
		{
			family: messages.FamilyFailed, typ: qlik.TaskReload, outcome: world.Fail(), measurement: "reload_task_failed",
			subject: "Qlik Sense reload failed", owner: true, chat: "failed", disk: true,
		},
		{family: messages.FamilyFailed, typ: qlik.TaskExternalProgram, outcome: world.Fail(), measurement: "external_program_task_failed"},
		{family: messages.FamilyFailed, typ: qlik.TaskUserSync, outcome: world.Fail(), measurement: "user_sync_task_failed"},
		{
			family: messages.FamilyFailed, typ: qlik.TaskDistribute, outcome: world.Fail(), measurement: "distribute_task_failed",
			subject: "❌ Qlik Sense distribution failed",
		},
		{
			family: messages.FamilyFailed, typ: qlik.TaskPreload, outcome: world.Fail(), measurement: "preload_task_failed",
			subject: "❌ Qlik Sense preload failed",
		},
		{family: messages.FamilyAborted, typ: qlik.TaskReload, outcome: world.Abort(), subject: "Qlik Sense reload aborted", chat: "aborted"},
		{family: messages.FamilyAborted, typ: qlik.TaskExternalProgram, outcome: world.Abort()},
		{family: messages.FamilyAborted, typ: qlik.TaskUserSync, outcome: world.Abort()},
		{family: messages.FamilyAborted, typ: qlik.TaskDistribute, outcome: world.Abort()},
		{family: messages.FamilyAborted, typ: qlik.TaskPreload, outcome: world.Abort()},
		{
			family: messages.FamilySucceeded, typ: qlik.TaskReload, outcome: world.Succeed(), measurement: "reload_task_success",
			subject: "✅ Qlik Sense reload succeeded",
		},
		{family: messages.FamilySucceeded, typ: qlik.TaskExternalProgram, outcome: world.Succeed(), measurement: "external_program_task_success"},
		{family: messages.FamilySucceeded, typ: qlik.TaskUserSync, outcome: world.Succeed(), measurement: "user_sync_task_success"},
		{
			family: messages.FamilySucceeded, typ: qlik.TaskDistribute, outcome: world.Succeed(), measurement: "distribute_task_success",
			subject: "✅ Qlik Sense distribution succeeded",
		},
		{
			family: messages.FamilySucceeded, typ: qlik.TaskPreload, outcome: world.Succeed(), measurement: "preload_task_success",
			subject: "✅ Qlik Sense preload succeeded",
		},
		{
			family: messages.FamilyDistribute, typ: qlik.TaskDistribute, outcome: world.Succeed(), measurement: "distribute_task_success",
			subject: "✅ Qlik Sense distribution succeeded",
		},
		{
			family: messages.FamilyDistribute, typ: qlik.TaskDistribute, outcome: world.Fail(), measurement: "distribute_task_failed",
			subject: "❌ Qlik Sense distribution failed",
		},
	}
}

func TestService_tellsTheRightDestinationsOfEveryEvent(t *testing.T) {
	for _, r := range matrix() {
		t.Run(r.family.String()+"/"+r.typ.String()+"/"+r.outcome.Final.String(), func(t *testing.T) {
			t.Parallel()
			s := startSite(t, demo.Settings{InMemory: true, With: demo.Further})
			execution := s.run(r.typ, r.outcome, r.family)
			s.until("the event decided", func() bool { return s.processed() == 1 })
			s.idle(0)
			s.checkInflux(r, execution)
			s.checkMail(r, execution)
			s.checkHTTP(r, execution)
			s.checkDisk(r, execution)
		})
	}
}

func (s *site) checkInflux(r row, e world.Execution) {
	s.t.Helper()
	points := s.sim.Influx.Stored("butler")
	if r.measurement == "" {
		if len(points) != 0 {
			s.t.Errorf("want no point, got %v", points)
		}
		return
	}
	if len(points) != 1 || points[0].Measurement != r.measurement {
		s.t.Fatalf("want one point of %s, got %v", r.measurement, points)
	}
	p := points[0]
	want := map[string]string{
		"task_id": e.TaskID, "task_name": e.TaskName, "host": e.Node, "user": `INTERNAL/sa_scheduler`, "app_id": e.AppID, "app_name": e.AppName,
	}
	for tag, value := range want {
		if p.Tags[tag] != value {
			s.t.Errorf("tag %s: want %q, got %q", tag, value, p.Tags[tag])
		}
	}
	if status, stored := p.Tags["task_executionStatusText"]; stored && status != r.outcome.Final.String() {
		s.t.Errorf("status: want %s, got %s", r.outcome.Final, status)
	}
	if p.Fields["execution_id"] != e.ExecutionID {
		s.t.Errorf("want execution %s, got %v", e.ExecutionID, p.Fields["execution_id"])
	}
}

func (s *site) checkMail(r row, e world.Execution) {
	s.t.Helper()
	var want []string
	if r.subject != "" {
		want = []string{everyRecipient}
	}
	if r.owner {
		want = append(want, ownerAddresses(s.sim.World, e.AppID)...)
	}
	slices.Sort(want)
	var got []string
	for _, m := range s.sim.SMTP.Messages().All() {
		got = append(got, m.Recipients...)
		if subject := r.subject + `: "` + e.TaskName + `"`; m.Subject != subject {
			s.t.Errorf("subject: want %q, got %q", subject, m.Subject)
		}
		if !m.TLS {
			s.t.Error("want the mail sent over TLS")
		}
		for part, body := range map[string]string{"text": m.Text, "HTML": m.HTML} {
			if !strings.Contains(body, e.TaskID) || !strings.Contains(body, r.outcome.Final.String()) {
				s.t.Errorf("want the task's ID and %s in the %s part, got %s", r.outcome.Final, part, body)
			}
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("recipients (-want +got):\n%s", diff)
	}
}

func (s *site) checkHTTP(r row, e world.Execution) {
	s.t.Helper()
	var want, got []string
	if r.chat != "" {
		want = []string{
			"/hook/" + r.chat, "/newrelic/log", "/newrelic/v1/accounts/1001/events", "/pager", "/signl4", "/slack/" + r.chat, "/teams/" + r.chat,
		}
	}
	for _, req := range s.sim.HTTP.History().All() {
		got = append(got, req.Path)
		if !req.Mentions(e.TaskID) {
			s.t.Errorf("want the task's ID told to %s, got %s", req.Path, req.Body)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("who is notified over HTTP (-want +got):\n%s", diff)
	}
}

func (s *site) checkDisk(r row, e world.Execution) {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "scriptlogs", "*", "*"+e.TaskID+".log"))
	must(s.t, err)
	if want := map[bool]int{true: 1}[r.disk]; len(files) != want {
		s.t.Fatalf("want %d script log on disk, got %v", want, files)
	}
	if r.disk {
		text, err := os.ReadFile(files[0])
		must(s.t, err)
		if len(strings.Split(string(text), "\n")) < 10 {
			s.t.Errorf("want the whole script log, got %q", text)
		}
	}
}
