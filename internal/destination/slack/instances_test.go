package slack

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/destination"
	"butler/internal/destination/destinationtest"
	"butler/messages"
)

// instances builds a configuration and returns its instances by name.
func instances(t *testing.T, text string) map[string]destination.Built {
	t.Helper()
	return destinationtest.BuiltByName(t, Definition(), text)
}

// The Slack rows of the table "Firing conditions", one case a switch.
func TestFiring_everySwitchCounts(t *testing.T) {
	const (
		failed, aborted  = "slack/reload_task_failed", "slack/reload_task_aborted"
		stopped, started = "slack/windows_service_stopped", "slack/windows_service_started"
		cloud, route     = "slack/cloud_app_reload_failed", "slack/routes/rest"
	)
	everything := config("http://127.0.0.1:1")
	for name, row := range map[string]struct {
		// Turn is the switch that is turned off, by the text before its "enable: true".
		turn string
		want []string
	}{
		"all on":                     {"", []string{cloud, aborted, failed, route, started, stopped}},
		"slackNotification":          {"slackNotification:\n  ", []string{cloud}},
		"reload failed":              {"reloadTaskFailure: {", []string{cloud, aborted, route, started, stopped}},
		"reload aborted":             {"reloadTaskAborted: {", []string{cloud, failed, route, started, stopped}},
		"service monitor":            {"serviceMonitor: {", []string{cloud, aborted, failed, route}},
		"service monitor, for Slack": {"alertDestination: {slack: {", []string{cloud, aborted, failed, route}},
		"cloud":                      {"qlikSenseCloud:\n  ", []string{aborted, failed, route, started, stopped}},
		"cloud, app reload failed":   {"reloadAppFailure: {", []string{aborted, failed, route, started, stopped}},
	} {
		t.Run(name, func(t *testing.T) {
			text := everything
			if row.turn != "" {
				text = strings.Replace(everything, row.turn+"enable: true", row.turn+"enable: false", 1)
				if text == everything {
					t.Fatalf("the configuration has no switch after %q", row.turn)
				}
			}
			got := slices.Sorted(maps.Keys(instances(t, text)))
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWindow_everySectionHasItsOwn(t *testing.T) {
	built := instances(t, config("http://127.0.0.1:1"))
	for name, want := range map[string]time.Duration{
		"slack/reload_task_failed": 300 * time.Second, "slack/reload_task_aborted": 300 * time.Second,
		"slack/windows_service_stopped": 30 * time.Second, "slack/windows_service_started": 60 * time.Second,
		"slack/cloud_app_reload_failed": 60 * time.Second,
	} {
		if got := built[name].Instance.Window; got != want {
			t.Errorf("%s: want %s, got %s", name, want, got)
		}
	}
}

// The tag counts for Slack, too.
func TestTagGate_letsThroughWhatHasTheTagAndWhatIsNotKnown(t *testing.T) {
	open := config("http://127.0.0.1:1")
	gated := strings.Replace(open, "alertEnableByTag: {enable: false", "alertEnableByTag: {enable: true", 1)
	gate := instances(t, gated)["slack/cloud_app_reload_failed"].Instance.Select
	for name, row := range map[string]struct {
		app  messages.App
		told bool
	}{
		"with the tag":           {messages.App{Known: true, Tags: []string{"prod", "Butler alerts"}}, true},
		"in other letters":       {messages.App{Known: true, Tags: []string{"butler alerts"}}, false},
		"part of the tag":        {messages.App{Known: true, Tags: []string{"Butler"}}, false},
		"without tags":           {messages.App{Known: true}, false},
		"could not be looked up": {messages.App{}, true},
	} {
		got := gate(&messages.Alert{Kind: messages.CloudReloadFailed, App: row.app})
		if told := len(got.Recipients) == 1; told != row.told || told == (got.Reason != "") {
			t.Errorf("%s: want told %t, got %+v", name, row.told, got)
		}
	}
}

// What one destination leaves out, the others show.
func TestBasicContentOnly_leavesOutAppAndReloadHere(t *testing.T) {
	s, _ := newTestSlack(t, func(e *Event, _ *destination.Deps) { e.BasicContentOnly = true })
	n := noticeOf(destinationtest.Complete(messages.CloudReloadFailed))
	body, _, err := s.Compose(n)
	if err != nil {
		t.Fatal(err)
	}
	got := string(body)
	for text, want := range map[string]bool{
		n.Alert.App.ID: true, n.Alert.App.Name: true, n.Alert.Cloud.ReloadID: true,
		n.Alert.App.Description: false, n.Alert.App.Tags[0]: false, n.Alert.Cloud.ErrorMessage: false,
		"in line 12": false, "script log": false,
	} {
		if strings.Contains(got, text) != want {
			t.Errorf("want %q in the message: %t, got %s", text, want, got)
		}
	}
	if diff := cmp.Diff(destinationtest.Complete(messages.CloudReloadFailed), n.Alert); diff != "" {
		t.Errorf("the alert of the other destinations has changed (-want +got):\n%s", diff)
	}
	text := strings.Replace(config("http://127.0.0.1:1"), "alertEnableByTag: ", "basicContentOnly: true, alertEnableByTag: ", 1)
	if needs := instances(t, text)["slack/cloud_app_reload_failed"].Instance.Needs; needs.ScriptLog() {
		t.Error("a script log is fetched that nobody shows")
	}
}
