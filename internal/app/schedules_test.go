package app_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"butler/internal/app"
	"butler/internal/demo"
	"butler/internal/starttask"
	"butler/messages"
)

// scheduleConfig serves schedules; %[1]s is the scheduler, %[2]s what stands beside it.
const scheduleConfig = `
  restServerConfig: {enable: true, serverHost: 127.0.0.1, serverPort: 0, maxCallsPerMinute: 0}
  restServerEndpointsEnable:
    apiListEnabledEndpoints: true
    scheduler:
      createNewSchedule: true
      getSchedule: true
      getScheduleStatusAll: true
      updateSchedule: true
      deleteSchedule: true
      startSchedule: true
      stopSchedule: true
  scheduler: %[1]s
%[2]s`

func scheduleSettings(section, more string) demo.Settings {
	return demo.Settings{Off: demo.Destinations, Extra: fmt.Sprintf(scheduleConfig, section, more)}
}

const enabledScheduler = "{enable: true, configfile: plans/schedule.yaml}"

// writeSchedules writes the schedule file.
func (s *site) writeSchedules(text string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, "plans", "schedule.yaml")
	must(s.t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(s.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// everySecond is a schedule file with one schedule that is always due.
func everySecond(taskID string) string {
	return "butlerSchedule:\n  # by hand\n  - {id: 7, name: Always, cronSchedule: '* * * * * *', timezone: Europe/Oslo, qlikSenseTaskId: " + taskID + ", startupState: started}\n"
}

func (s *site) untilStarts(what string, n int) {
	s.t.Helper()
	s.until(what, func() bool { return len(s.started()) >= n })
}

func TestSchedules_startTheirTasksAndSurviveARestart(t *testing.T) {
	s := siteOf(t)
	id := s.taskID(userSync)
	file := s.writeSchedules(everySecond(id))
	s.startApp(scheduleSettings(enabledScheduler, ""))
	s.untilStarts("a start by the clock", 1)
	s.until("a line of the audit that names the schedule", func() bool { // the repository hears of the start first
		audited := s.logs.FilterLoggerName("audit").FilterMessage("task start").All()
		return len(audited) > 0 && audited[0].ContextMap()["way"] == string(starttask.BySchedule) && audited[0].ContextMap()["source"] == "7"
	})
	s.stopApp()
	s.sim.QRS.Requests().Clear()

	s.startApp(scheduleSettings(enabledScheduler, ""))
	s.untilStarts("a start after the restart", 1)
	s.wantCall("PUT", "/v4/schedules/7/stop", "", 200, `"lastKnownState":"stopped"`)
	s.wantCall("GET", "/v4/schedules/status", "", 200, "'7': * * * * * * status: Stopped")
	s.stopApp()
	text, err := os.ReadFile(file)
	must(t, err)
	if !strings.Contains(string(text), "# by hand") || !strings.Contains(string(text), "lastKnownState: stopped") {
		t.Errorf("want the state in the file, and the rest of it as it was; got\n%s", text)
	}

	s.startApp(scheduleSettings(enabledScheduler, ""))
	s.wantCall("GET", "/v4/schedules?id=7&runs=1", "", 200, `"lastKnownState":"stopped"`)
}

func TestSchedules_areMadeAndRemovedOverREST(t *testing.T) {
	s := siteOf(t)
	file := s.writeSchedules("")
	must(t, os.Remove(file)) // the first schedule makes it
	s.startApp(scheduleSettings(enabledScheduler, ""))
	s.wantCall("GET", "/v4/configfile/endpointsenabled", "", 200, `["apiListEnabledEndpoints","createNewSchedule","getSchedule","getScheduleStatusAll","updateSchedule","deleteSchedule","startSchedule","stopSchedule"]`)
	wish := fmt.Sprintf(`{"name":"Nightly","cronSchedule":"0 0 2 * * *","timezone":"Europe/Oslo","qlikSenseTaskId":%q,"startupState":"started","tags":["n"]}`, s.taskID(userSync))
	s.wantCall("POST", "/v4/schedules", strings.Replace(wish, "0 0 2", "0 0 25", 1), 400, "cronSchedule")
	s.wantCall("POST", "/v4/schedules", strings.Replace(wish, "Oslo", "Olso", 1), 400, "timezone")
	status, text := s.call("POST", "/v4/schedules", wish)
	var made messages.Schedule
	if err := json.Unmarshal([]byte(text), &made); err != nil || status != 201 || made.ID == "" || made.LastKnownState != messages.ScheduleStarted {
		t.Fatalf("want a schedule that runs, got %d with %s", status, text)
	}
	s.wantCall("PUT", "/v4/schedules/stopall", "", 200, `"lastKnownState":"stopped"`)
	s.wantCall("DELETE", "/v4/schedules/"+made.ID, "", 204, "")
	s.wantCall("DELETE", "/v4/schedules/"+made.ID, "", 400, "no schedule has this ID")
	s.wantCall("GET", "/v4/schedules", "", 200, "[]")
	if text, err := os.ReadFile(file); err != nil || strings.Contains(string(text), made.ID) {
		t.Errorf("want a file without the schedule, got %s, %v", text, err)
	}
}

func TestSchedules_areLeftAloneWhileTheSchedulerIsOff(t *testing.T) {
	s := siteOf(t)
	before := everySecond(s.taskID(userSync))
	file := s.writeSchedules(before)
	s.startApp(scheduleSettings("{enable: false, configfile: plans/schedule.yaml}", ""))
	wish := fmt.Sprintf(`{"name":"a","cronSchedule":"* * * * *","timezone":"UTC","qlikSenseTaskId":%q,"startupState":"start"}`, s.taskID(userSync))
	for _, row := range []struct{ method, path, body string }{
		{"POST", "/v4/schedules", wish},
		{"DELETE", "/v4/schedules/7", ""},
		{"PUT", "/v4/schedules/7/start", ""},
		{"PUT", "/v4/schedules/startall", ""},
		{"PUT", "/v4/schedules/stopall", ""},
	} {
		s.wantCall(row.method, row.path, row.body, 503, "scheduler.enable")
	}
	s.wantCall("GET", "/v4/schedules", "", 200, "[]")
	s.stopApp()
	if after, err := os.ReadFile(file); err != nil || string(after) != before {
		t.Errorf("want the file untouched, got %s, %v", after, err)
	}
	s.wantStarted("nothing is started")
}

func TestSchedules_aFileThatCannotBeReadIsShown(t *testing.T) {
	s := siteOf(t)
	file := s.writeSchedules("butlerSchedule: [")
	s.startApp(scheduleSettings(enabledScheduler, ""))
	shows := func(want string) func() bool {
		return func() bool { state, _ := s.component("schedules/file"); return state == want }
	}
	s.until("the file degraded", shows("degraded"))
	if status := s.get("/readyz", nil); status != 200 {
		t.Errorf("want alerts to be taken all the same, got status %d", status)
	}
	wish := fmt.Sprintf(`{"name":"a","cronSchedule":"* * * * *","timezone":"UTC","qlikSenseTaskId":%q,"startupState":"stop"}`, s.taskID(userSync))
	if status, text := s.call("POST", "/v4/schedules", wish); status != 500 || !strings.Contains(text, "/health") || strings.Contains(text, s.dir) {
		t.Errorf("want status 500 and no path of the machine, got %d with %s", status, text)
	}
	if status, text := s.call("PUT", "/v4/schedules/stopall", ""); status != 500 || !strings.Contains(text, "cannot be read") {
		t.Errorf("want nothing stopped, and that told, got %d with %s", status, text)
	}
	must(t, os.WriteFile(file, []byte("butlerSchedule: []\n"), 0o600))
	s.wantCall("POST", "/v4/schedules", wish, 201, "stopped")
	s.until("the file up", shows("up"))
}

func TestSchedules_startNothingThatTheFilterDoesNotList(t *testing.T) {
	s := siteOf(t)
	s.writeSchedules(everySecond(s.taskID(userSync)))
	s.startApp(scheduleSettings(enabledScheduler, "  startTaskFilter: {enable: true}\n"))
	s.until("a denial", func() bool {
		lines := s.logs.FilterLoggerName("audit").FilterMessage("task start").All()
		return len(lines) > 0 && lines[0].ContextMap()["outcome"] == string(starttask.Denied)
	})
	wish := fmt.Sprintf(`{"name":"a","cronSchedule":"* * * * *","timezone":"UTC","qlikSenseTaskId":%q,"startupState":"start"}`, s.taskID(userSync))
	s.wantCall("POST", "/v4/schedules", wish, 400, "startTaskFilter")
	s.wantStarted("nothing is started")
}

func TestSchedules_thatCannotRunAreToldBeforeTheStart(t *testing.T) {
	const file = `butlerSchedule:
  - {id: 7, name: fine, cronSchedule: "0 6 * * *", timezone: Europe/Oslo, qlikSenseTaskId: c54e79e9-b90b-4720-9300-ac55520af2cc, startupState: started}
  - {id: nightly, name: odd, cronSchedule: "0 25 * * *", timezone: Mars, qlikSenseTaskId: none, startupState: started}
  - {name: nobody}
  - {id: 8, name: upper case, cronSchedule: "0 6 * * *", timezone: Europe/Oslo, qlikSenseTaskId: c54e79e9-b90b-4720-9300-ac55520af2cc, startupState: Start}
  - {id: 9, name: last state, cronSchedule: "0 6 * * *", timezone: Europe/Oslo, qlikSenseTaskId: c54e79e9-b90b-4720-9300-ac55520af2cc, startupState: Start, lastKnownState: stopped}
  - {id: 10, name: stopped, cronSchedule: "0 6 * * *", timezone: Europe/Oslo, qlikSenseTaskId: c54e79e9-b90b-4720-9300-ac55520af2cc, startupState: stop}
`
	path := filepath.Join(t.TempDir(), "schedule.yaml")
	must(t, os.WriteFile(path, []byte(file), 0o600))
	cfg, err := inspect(t, fmt.Sprintf("Butler:\n  scheduler: {enable: true, configfile: %q}\n", path), app.Inspection{}, false)
	must(t, err)
	want := []string{"entry 3 (line 4): ", "the schedule nightly cannot run: timezone: ", `the schedule 8 does not run: its startupState is "Start"`}
	got := cfg.Warnings()
	if len(got) != len(want) {
		t.Fatalf("want a warning of each of %q, got %v", want, got)
	}
	for i, w := range got {
		if w.Path != "scheduler.configfile" || !strings.HasPrefix(w.Reason, want[i]) {
			t.Errorf("want %q told, got %v", want[i], w)
		}
	}
	for _, part := range []string{"timezone: ", "; cronSchedule: ", "; qlikSenseTaskId: "} {
		if !strings.Contains(got[1].Reason, part) {
			t.Errorf("want %q told, too, got %s", part, got[1].Reason)
		}
	}
}
