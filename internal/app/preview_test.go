package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"butler/internal/app"
	"butler/internal/samples"
	"butler/internal/tryout"
	"butler/messages"
)

func TestUnaided_isTheAlertOfAnEventThatNothingIsKnownOf(t *testing.T) {
	for _, row := range []struct {
		family messages.Family
		want   messages.AlertKind
	}{
		{messages.FamilyFailed, messages.ReloadTaskFailed},
		{messages.FamilyAborted, messages.ReloadTaskAborted},
		{messages.FamilySucceeded, messages.ReloadTaskSucceeded},
		{messages.FamilyDistribute, messages.DistributeTaskFailed},
		{messages.FamilyEngine, ""},
	} {
		event := samples.Degraded(messages.ReloadTaskFailed).Event
		event.Family = row.family
		a, ok := app.Unaided(messages.PlacedEvent{Key: samples.ExecutionID, Event: event}, 30*time.Second)
		if a.Kind != row.want || ok != (row.want != "") {
			t.Errorf("%s: want %q, got %q, %v", row.family, row.want, a.Kind, ok)
		}
		if ok && (len(a.Degraded) == 0 || a.Event != event) {
			t.Errorf("%s: want a degraded alert of the event, got %v", row.family, a)
		}
	}
}

// A template may be read and make no message all the same.
func TestInspection_triesTemplates(t *testing.T) {
	dir := t.TempDir()
	for name, source := range map[string]string{
		"good":    `{"text": "{{taskName}} ran for {{executionDuration.seconds}} s"}`,
		"comma":   `{"text": "{{taskName}}",}`,
		"words":   "\xff\xfe{\x00}\x00", // UTF-16
		"partial": `<p>{{> nowhere}}</p>`,
		"open":    `{"text": "{{#if taskName}}"}`,
	} {
		must(t, os.WriteFile(filepath.Join(dir, name+".handlebars"), []byte(source), 0o600))
	}
	cfg, err := inspect(t, strings.ReplaceAll(`Butler:
  teamsNotification:
    enable: true
    reloadTaskFailure: {enable: true, webhookURL: "https://a.example.com/a", templateFile: DIR/good.handlebars}
    reloadTaskAborted: {enable: true, webhookURL: "https://a.example.com/a", templateFile: DIR/words.handlebars}
  slackNotification:
    enable: true
    reloadTaskFailure: {enable: true, webhookURL: "https://a.example.com/a", messageType: basic, templateFile: DIR/comma.handlebars}
    reloadTaskAborted: {enable: true, webhookURL: "https://a.example.com/a", templateFile: DIR/open.handlebars}
  emailNotification:
    enable: true
    smtp: {host: mail.example.com, secure: false}
    reloadTaskFailure: {enable: true, fromAddress: b@example.com, recipients: [a@example.com], bodyFileDirectory: DIR, htmlTemplateFile: partial}
  routes:
    - name: directory
      match: {events: [user_sync_task_failed]}
      slack: [{webhookURL: "https://a.example.com/b", templateFile: DIR/comma.handlebars}]
`, "DIR", dir), app.Inspection{}, false)
	must(t, err)
	want := map[string]string{
		"teamsNotification.reloadTaskAborted.templateFile":      "is not a JSON object",
		"slackNotification.reloadTaskAborted.templateFile":      "is not closed",
		"emailNotification.reloadTaskFailure.bodyFileDirectory": "nowhere",
		"routes[0].slack[0].templateFile":                       "is not a JSON object",
	}
	for _, w := range cfg.Warnings() {
		if text, ok := want[w.Path]; !ok || !strings.Contains(w.Reason, text) || !strings.Contains(w.Reason, dir) || w.Line == 0 {
			t.Errorf("want no such warning: %s", w)
		}
		delete(want, w.Path)
	}
	if len(want) > 0 {
		t.Errorf("want these told of, too: %v", want)
	}
}

// eachPreview is a configuration with everything that has a template, and what has none.
const eachPreview = `Butler:
  scriptLog: {storeOnDisk: {clientManaged: {reloadTaskFailure: {enable: true, logDirectory: logs}}}}
  influxDb: {enable: true, hostIP: influx.example.com, reloadTaskFailure: {enable: true}}
  emailNotification:
    enable: true
    smtp: {host: mail.example.com, secure: false}
  slackNotification:
    enable: true
  routes:
    - name: first
      slack: [{webhookURL: "https://hooks.example.com/a"}, {webhookURL: "https://hooks.example.com/b", channel: second}]
    - name: last
      email: [{fromAddress: butler@example.com, recipients: [anna@example.com]}]
`

func TestShowMessage_showsWhatAProviderWouldGet(t *testing.T) {
	cfg, err := inspect(t, eachPreview, app.Inspection{}, false)
	must(t, err)
	for _, row := range []struct {
		of   string
		kind messages.AlertKind
		want []string
	}{
		{"slack/routes/first", messages.ServiceStopped, []string{`"blocks":`, "Engine"}},
		{"slack/routes/first/2", messages.ReloadTaskFailed, []string{`"channel":"second"`}},
		{"email", messages.LicenseExpiring, []string{"To: <anna@example.com>", "2026-06-15"}},
		{"influxdb/reload_task_failed", "", []string{"reload_task_failed,", "task_name=Reload\\ of\\ Sales", `execution_id="4c3b2a19`}},
		{"disklog/reload_task_failed", "", []string{filepath.FromSlash("logs/2026-05-06/2026-05-06_14-23-45_appId=")}},
	} {
		got, err := app.ShowMessage(cfg, tryout.PreviewOptions{Destination: row.of, Kind: row.kind})
		if err != nil {
			t.Errorf("%s: %v", row.of, err)
			continue
		}
		for _, want := range row.want {
			if !strings.Contains(got.Text, want) {
				t.Errorf("%s: want %q in it, got %s", row.of, want, got.Text)
			}
		}
	}
}

func TestShowMessage_ofAnAlertThatWasStored(t *testing.T) {
	cfg, err := inspect(t, eachPreview, app.Inspection{}, false)
	must(t, err)
	stored := samples.Complete(messages.ReloadTaskAborted)
	stored.Event.TaskName = "As it was"
	got, err := app.ShowMessage(cfg, tryout.PreviewOptions{
		Destination: "slack/routes/first", Stored: []tryout.StoredAlert{{From: tryout.FromWaiting, Alert: stored}},
	})
	must(t, err)
	if got.Alert != messages.ReloadTaskAborted || !strings.Contains(got.Text, "As it was") || len(got.Notes) != 1 {
		t.Errorf("want the stored alert, with a note, got %+v", got)
	}
}
