package app_test

import (
	"encoding/json"
	"html"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/demo"
	"butler/internal/sim/appender"
	"butler/internal/sim/sink"
	"butler/internal/sim/world"
	"butler/messages"
)

// reload is everything that the site knows of a reload that ended, and what the
// specification makes of it.
type reload struct {
	execution world.Execution
	event     appender.Event
	task      world.Task
	app       world.App
	owner     world.User
	log       []string

	// word is how it ended, number the code of that in the repository.
	word, title, subject, number string
	recipients                   []string
	mailTail                     int
}

// nightlyLoad is the number of a reload task with recipients of its own, one of
// whom is the owner of its app.
const nightlyLoad = 1

// reported makes a reload end and announces it.
func (s *site) reported(outcome world.Outcome, family messages.Family) reload {
	s.t.Helper()
	outcome.ScriptLogLines = 60
	r := reload{execution: s.ended(s.sim.World.TaskID(nightlyLoad), outcome)}
	r.task, _ = s.sim.World.Task(r.execution.TaskID)
	r.app, _ = s.sim.World.App(r.execution.AppID)
	r.owner, _ = s.sim.World.User(r.app.Owner.ID)
	log, _ := s.sim.World.ScriptLog(r.execution.TaskID, r.execution.ResultID)
	r.log = log.Lines()[:len(log.Lines())-1] // the last one is the end of the line before
	r.event = appender.EventOf(r.execution, appender.TypeOf(family), time.Now())
	must(s.t, s.sim.Announce(r.event))
	return r
}

func TestService_tellsTheRightFieldsOfAReload(t *testing.T) {
	for _, row := range []struct {
		family  messages.Family
		outcome world.Outcome
		want    reload
		point   func(reload) sink.Point
	}{
		{messages.FamilyFailed, world.Fail(), reload{
			word: "failed", title: "Reload task failed", subject: "Qlik Sense reload failed", number: "8",
			recipients: []string{"finance-ops@example.com", "maeve.o'brien@example.com", everyRecipient}, mailTail: 15,
		}, reload.failedPoint},
		{messages.FamilyAborted, world.Abort(), reload{
			word: "aborted", title: "Reload task aborted", subject: "Qlik Sense reload aborted", number: "6",
			recipients: []string{everyRecipient}, mailTail: 15,
		}, nil},
		{messages.FamilySucceeded, world.Succeed(), reload{
			word: "succeeded", title: "Reload task succeeded", subject: "✅ Qlik Sense reload succeeded", number: "7",
			recipients: []string{everyRecipient}, mailTail: 25,
		}, reload.succeededPoint},
	} {
		t.Run(row.want.word, func(t *testing.T) {
			t.Parallel()
			s := startSite(t, demo.Settings{InMemory: true})
			r := s.reported(row.outcome, row.family)
			r.word, r.title, r.subject, r.number = row.want.word, row.want.title, row.want.subject, row.want.number
			r.recipients, r.mailTail = row.want.recipients, row.want.mailTail
			s.until("the event decided", func() bool { return s.processed() == 1 })
			s.idle(0)
			s.wantsMails(r)
			var points []sink.Point
			if row.point != nil {
				points = []sink.Point{row.point(r)}
			}
			s.wantsPoints(points)
			calls := s.sim.HTTP.History().All()
			if row.family == messages.FamilySucceeded {
				if len(calls) != 0 {
					t.Errorf("want neither Slack nor webhook told of a success, got %v", calls)
				}
				return
			}
			if len(calls) != 2 {
				t.Fatalf("want one call of the webhook and one of Slack, got %d", len(calls))
			}
			slices.SortFunc(calls, func(a, b sink.HTTPRequest) int { return strings.Compare(a.Path, b.Path) })
			wantsHook(t, r, calls[0])
			s.wantsSlack(r, calls[1])
		})
	}
}

func (r reload) logTime() string { return r.event.At.Format("2006-01-02 15:04:05,000") }

func (r reload) logLevel() string { return r.event.Type.Level }

func (r reload) appURL() string { return "https://sense.example.com/sense/app/" + r.app.ID }

// history is the history as the repository has it.
func (r reload) history() string {
	var out strings.Builder
	for _, d := range r.task.Operational.LastExecutionResult.Details {
		out.WriteString(d.DetailCreatedDate + "\t" + d.Message + "\n")
	}
	return out.String()
}

// local is a time of the repository as people read it, with its zone.
func (s *site) local(iso string) string {
	s.t.Helper()
	at, err := time.Parse(time.RFC3339Nano, iso)
	must(s.t, err)
	at = at.Local()
	zone, offset := at.Zone()
	if offset != 0 {
		zone = "GMT" + at.Format("-07:00")
		zone = zone[:4] + strings.TrimPrefix(strings.TrimSuffix(zone[4:], ":00"), "0")
	}
	return at.Format(time.DateTime) + " " + zone
}

// localHistory is the history as people read it.
func (s *site) localHistory(r reload) string {
	s.t.Helper()
	var out strings.Builder
	for _, d := range r.task.Operational.LastExecutionResult.Details {
		out.WriteString(s.local(d.DetailCreatedDate) + "  " + d.Message + "\n")
	}
	return out.String()
}

// result is the result of the execution in words.
func (r reload) result() string {
	said := map[string]string{"failed": "Failed", "aborted": "Aborted", "succeeded": "Succeeded"}[r.word]
	return said + " (" + r.execution.Final.String() + ", code " + r.number + ")"
}

// scriptError is the line of the script log that says what went wrong, "" if there is none.
func (r reload) scriptError() string {
	for _, line := range r.log {
		if _, said, found := strings.Cut(line, "      Error: "); found {
			return said
		}
	}
	return ""
}

func (r reload) head(n int) []string { return r.log[:n] }

func (r reload) tail(n int) []string { return r.log[len(r.log)-n:] }

func tagNames(tags []world.Reference) []string {
	var out []string
	for _, t := range tags {
		out = append(out, t.Name)
	}
	return out
}

// wantsMails compares every mail: who it is for, its headers, and both of its parts.
func (s *site) wantsMails(r reload) {
	s.t.Helper()
	var recipients []string
	for _, m := range s.sim.SMTP.Messages().All() {
		recipients = append(recipients, m.Recipients...)
		if len(m.To) != 1 || !slices.Equal(m.Recipients, []string{m.To[0].Address}) {
			s.t.Errorf("want every mail to be for one person, got %v for %v", m.To, m.Recipients)
		}
		got := []string{m.Subject, m.From, m.Sender.String()}
		for _, name := range []string{"X-Priority", "X-MSMail-Priority", "Importance"} {
			got = append(got, m.Header.Get(name))
		}
		want := []string{
			r.subject + `: "` + r.task.Name + `"`, "butler@example.com", `"Qlik Sense" <butler@example.com>`, "1 (Highest)", "High", "High",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			s.t.Errorf("subject, sender and priority (-want +got):\n%s", diff)
		}
		s.wantsText(r, m.Text)
		s.wantsHTML(r, m.HTML)
	}
	slices.Sort(recipients)
	if diff := cmp.Diff(r.recipients, recipients); diff != "" {
		s.t.Errorf("recipients (-want +got):\n%s", diff)
	}
}

func (s *site) wantsText(r reload, text string) {
	s.t.Helper()
	lines := []string{r.title, ""}
	if said := r.scriptError(); said != "" {
		lines = append(lines, "Script error:   "+said)
	}
	want := strings.Join(append(
		lines,
		"Task:           "+r.task.Name,
		"App:            "+r.app.Name,
		"Result:         "+r.result(),
		"Started:        "+s.local(r.task.Operational.LastExecutionResult.StartTime),
		"Ended:          "+s.local(r.task.Operational.LastExecutionResult.StopTime),
		"Duration:       42 s",
		"Node:           "+r.execution.Node,
		"Reported by:    "+r.event.HostName,
		"Log time:       "+r.logTime(),
		"Message:        "+r.event.Type.Message,
		"User:           "+r.event.User,
		"Next execution: "+s.local(r.task.Operational.NextExecution),
		"App owner:      "+r.owner.Name,
		"Stream:         "+r.app.Stream.Name,
		"Task ID:        "+r.task.ID,
		"App ID:         "+r.app.ID,
		"Execution ID:   "+r.execution.ExecutionID,
		"QMC:            https://sense.example.com/qmc",
		"Hub:            https://sense.example.com/hub",
		"App link:       "+r.appURL(),
		"",
		"End of the script log:",
		strings.Join(r.tail(r.mailTail), "\n"),
		"",
		"History:",
		s.localHistory(r),
		"Start of the script log:",
		strings.Join(r.head(15), "\n"),
	), "\n")
	if diff := cmp.Diff(want, strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n"))); diff != "" {
		s.t.Errorf("text part (-want +got):\n%s", diff)
	}
}

var (
	htmlRow = regexp.MustCompile(`(?s)<td class="l" width="170"[^>]*>([^<]*)</td>\s*<td[^>]*>(.*?)</td>`)
	htmlPre = regexp.MustCompile(`(?s)<pre[^>]*>(.*?)</pre>`)
	htmlTag = regexp.MustCompile(`<[^>]*>`)
)

// wantsHTML compares the labelled values and the script log that a person sees.
func (s *site) wantsHTML(r reload, page string) {
	s.t.Helper()
	seen := func(markup string) string { return html.UnescapeString(htmlTag.ReplaceAllString(markup, "")) }
	page = strings.ReplaceAll(page, "\r\n", "\n")
	got := map[string]string{}
	for _, found := range htmlRow.FindAllStringSubmatch(page, -1) {
		got[found[1]] = seen(found[2])
	}
	want := map[string]string{
		"Message": r.event.Type.Message, "Logged": r.logTime() + " " + r.logLevel(),
		"Result": r.result(), "Duration": "42 s",
		"Started": s.local(r.task.Operational.LastExecutionResult.StartTime), "Ended": s.local(r.task.Operational.LastExecutionResult.StopTime),
		"Node": r.execution.Node, "User": r.event.User, "Task ID": r.task.ID, "App ID": r.app.ID,
		"App owner":       r.owner.Name + " maeve.o'brien@example.com",
		"Owner's account": r.owner.UserDirectory + `\` + r.owner.UserID, "Stream": r.app.Stream.Name,
		"App description": r.app.Description, "Next execution": s.local(r.task.Operational.NextExecution),
		"Task tags": strings.Join(tagNames(r.task.Tags), ""), "App tags": strings.Join(tagNames(r.app.Tags), ""),
	}
	if said := r.scriptError(); said != "" {
		want["Script error"] = said
	}
	maps.DeleteFunc(got, func(label, _ string) bool { _, compared := want[label]; return !compared })
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("HTML part (-want +got):\n%s", diff)
	}
	var logs []string
	for _, found := range htmlPre.FindAllStringSubmatch(page, -1) {
		logs = append(logs, seen(found[1]))
	}
	if diff := cmp.Diff([]string{strings.Join(r.tail(r.mailTail), "\n"), strings.Join(r.head(15), "\n")}, logs); diff != "" {
		s.t.Errorf("script log in the HTML part (-want +got):\n%s", diff)
	}
	for _, shown := range []string{">" + r.title + "<", ">" + html.EscapeString(r.task.Name) + "<", r.execution.ExecutionID} {
		if !strings.Contains(page, shown) {
			s.t.Errorf("want %q in the HTML part", shown)
		}
	}
}

func wantsHook(t *testing.T, r reload, call sink.HTTPRequest) {
	t.Helper()
	var got map[string]any
	must(t, json.Unmarshal(call.Body, &got))
	want := map[string]any{
		"event": "Qlik Sense reload " + r.word, "hostName": r.event.HostName, "user": r.event.User,
		"taskName": r.task.Name, "taskId": r.task.ID, "appName": r.app.Name, "appId": r.app.ID,
		"appOwnerName": r.owner.Name, "appOwnerUserDirectory": r.owner.UserDirectory, "appOwnerUserId": r.owner.UserID,
		"appOwnerEmail": "maeve.o'brien@example.com", "logTimeStamp": r.logTime(), "logLevel": r.logLevel(),
		"executionId": r.execution.ExecutionID, "logMessage": r.event.Type.Message,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("body of the webhook (-want +got):\n%s", diff)
	}
	method := map[string]string{"failed": "POST", "aborted": "PUT"}[r.word]
	if call.Path != "/hook/"+r.word || call.Method != method || call.Header.Get("Content-Type") != "application/json" {
		t.Errorf("want JSON by %s to /hook/%s, got %s %s %q", method, r.word, call.Method, call.Path, call.Header.Get("Content-Type"))
	}
}

// slackBlock is one block of a message.
type slackBlock struct {
	Type   string
	Text   struct{ Text string }
	Fields []struct{ Text string }
}

func (s *site) wantsSlack(r reload, call sink.HTTPRequest) {
	t := s.t
	t.Helper()
	var message struct {
		Username, Channel string
		Icon              string `json:"icon_emoji"`
		Blocks            []slackBlock
	}
	must(t, json.Unmarshal(call.Body, &message))
	got := map[string]string{"username": message.Username, "channel": message.Channel, "icon": message.Icon, "path": call.Path}
	for _, b := range message.Blocks {
		if b.Type == "header" {
			got["header"] = b.Text.Text
		}
		texts := []string{b.Text.Text}
		for _, f := range b.Fields {
			texts = append(texts, f.Text)
		}
		for _, text := range texts {
			if label, value, labelled := strings.Cut(text, "\n"); labelled {
				got[label] = value
			}
		}
	}
	markup := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace
	code := func(text string) string { return "```" + markup(text) + "```" }
	icon := map[string]string{"failed": ":x:", "aborted": ":no_entry_sign:"}[r.word]
	want := map[string]string{
		"username": "Qlik Sense", "channel": "sense-task-" + map[string]string{"failed": "failure", "aborted": "aborted"}[r.word],
		"icon": ":ghost:", "path": "/slack/" + r.word, "header": icon + " " + r.title + ": " + r.task.Name,
		"*Task*": markup(r.task.Name), "*App*": "<" + r.appURL() + "|" + markup(r.app.Name) + ">", "*Task ID*": r.task.ID, "*App ID*": r.app.ID,
		"*App owner*": r.owner.Name + " (maeve.o'brien@example.com)", "*Owner's account*": r.owner.UserDirectory + "/" + r.owner.UserID,
		"*Stream*": markup(r.app.Stream.Name), "*Task tags*": strings.Join(tagNames(r.task.Tags), ", "),
		"*Node*": r.execution.Node, "*User*": strings.ReplaceAll(r.event.User, `\`, "/"),
		"*Result*": r.result(), "*Duration*": "42 s",
		"*Started*": s.local(r.task.Operational.LastExecutionResult.StartTime), "*Ended*": s.local(r.task.Operational.LastExecutionResult.StopTime),
		"*Next execution*":                           s.local(r.task.Operational.NextExecution),
		"*" + r.logLevel() + "* at " + r.logTime():   r.event.Type.Message,
		"*What happened*":                            code(s.localHistory(r)),
		"*Start of the script log* (up to 10 lines)": code(strings.Join(r.head(10), "\n")),
		"*End of the script log* (up to 10 lines)":   code(strings.Join(r.tail(10), "\n")),
	}
	if said := r.scriptError(); said != "" {
		want["*Script error*"] = code(said)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("message to Slack (-want +got):\n%s", diff)
	}
}

// wantsPoints compares what the database keeps, but for the nanoseconds of its times.
func (s *site) wantsPoints(want []sink.Point) {
	s.t.Helper()
	got := s.sim.Influx.Stored("butler")
	for i, p := range got {
		if late := time.Since(p.Time); late < 0 || late > patience {
			s.t.Errorf("want the time of the event, got %v", p.Time)
		}
		got[i].Time = time.Time{}
		for _, name := range []string{"task_executionStartTime_json", "task_executionStopTime_json"} {
			var times map[string]string
			text, _ := p.Fields[name].(string)
			must(s.t, json.Unmarshal([]byte(text), &times))
			for _, which := range []string{"startTime", "stopTime"} {
				if utc, has := times[which+"UTC"]; has {
					p.Fields[name] = utc + " " + times[which+"Local1"]
				}
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("points (-want +got):\n%s", diff)
	}
}

// point is what every measurement of a reload has.
func (r reload) point(measurement, log string) sink.Point {
	result := r.task.Operational.LastExecutionResult
	p := sink.Point{
		Measurement: measurement,
		Tags: map[string]string{
			"host": r.event.HostName, "user": strings.ReplaceAll(r.event.User, `\`, "/"), "log_level": r.logLevel(),
			"task_id": r.task.ID, "task_name": r.task.Name, "app_id": r.app.ID, "app_name": r.app.Name,
			"task_executingNodeName": r.execution.Node, "task_executionStatusNum": r.number,
			"task_executionStatusText": r.execution.Final.String(), "task_exeuctionStatusText": r.execution.Final.String(),
		},
		Fields: map[string]any{
			"log_timestamp": r.logTime(), "execution_id": r.execution.ExecutionID, "log_message": r.event.Type.Message,
			"task_executionDuration_json": `{"hours":0,"minutes":0,"seconds":42}`,
			"task_executionDuration_sec":  42.0, "task_executionDuration_min": 0.7, "task_executionDuration_h": 42.0 / 3600,
			"task_executionStartTime_json": result.StartTime + " " + r.execution.Start.Local().Format(time.DateTime),
			"task_executionStopTime_json":  result.StopTime + " " + r.execution.End.Local().Format(time.DateTime),
			"task_scriptLogSize":           float64(result.ScriptLogSize), "scriptLog": log, "reload_log": log,
		},
	}
	for _, name := range tagNames(r.task.Tags) {
		p.Tags["taskTag_"+name] = "true"
	}
	for _, name := range tagNames(r.app.Tags) {
		p.Tags["appTag_"+name] = "true"
	}
	return p
}

const crlf = "\r\n"

func (r reload) failedPoint() sink.Point {
	p := r.point("reload_task_failed", r.history()+crlf+strings.Repeat("-", 31)+crlf+crlf+strings.Join(r.tail(20), crlf))
	p.Fields["task_scriptLogTailCount"] = 20.0
	return p
}

func (r reload) succeededPoint() sink.Point {
	heading := func(which string, n int) string {
		return "---------- SCRIPT LOG " + which + " (" + strconv.Itoa(n) + " lines) ----------" + crlf
	}
	p := r.point("reload_task_success", r.history()+crlf+heading("HEAD", 15)+strings.Join(r.head(15), crlf)+crlf+crlf+
		heading("TAIL", 25)+strings.Join(r.tail(25), crlf))
	p.Fields["task_scriptLogHeadCount"], p.Fields["task_scriptLogTailCount"] = 15.0, 25.0
	return p
}
