package teams

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/destination"
	"butler/internal/destination/destinationtest"
	"butler/messages"
)

const webhookPath = "/workflows/0123456789abcdef/triggers/manual/paths/invoke?sig=s3cr3tSignature"

// config switches every section on. What the sections do not carry goes through a route.
func config(address string) string {
	return fmt.Sprintf(`
teamsNotification:
  enable: true
  reloadTaskFailure: {enable: true, webhookURL: "%[1]s", headScriptLogLines: 3, tailScriptLogLines: 3}
  reloadTaskAborted: {enable: true, webhookURL: "%[1]s"}
  serviceStopped: {webhookURL: "%[1]s"}
  serviceStarted: {webhookURL: "%[1]s"}
serviceMonitor: {enable: true, alertDestination: {teams: {enable: true}}}
qlikSenseCloud:
  enable: true
  event: {mqtt: {tenant: {alert: {teamsNotification: {reloadAppFailure: {enable: true, webhookURL: "%[1]s",
    headScriptLogLines: 3, tailScriptLogLines: 3}}}}}}
routes:
  - name: rest
    match: {events: [succeeded, distribute_task_failed, preload_task_failed, external_program_task_failed, user_sync_task_failed,
      windows_service_status, server_license_status, server_license_expiring]}
    teams: [{webhookURL: "%[1]s"}]
`, address+webhookPath)
}

// basicConfig has basic messages of both forms.
func basicConfig(address string) string {
	return fmt.Sprintf(`
teamsNotification:
  enable: true
  reloadTaskFailure: {enable: true, webhookURL: "%[1]s", messageType: basic}
  reloadTaskAborted: {enable: true, webhookURL: "%[1]s", messageType: basic, cardType: connector}
  serviceStopped: {webhookURL: "%[1]s", messageType: basic}
  serviceStarted: {webhookURL: "%[1]s", messageType: basic, cardType: connector}
serviceMonitor: {enable: true, alertDestination: {teams: {enable: true}}}
qlikSenseCloud:
  enable: true
  event: {mqtt: {tenant: {alert: {teamsNotification: {reloadAppFailure: {enable: true, webhookURL: "%[1]s", messageType: basic}}}}}}
routes:
  - name: licence
    match: {events: [server_license_expiring]}
    teams: [{webhookURL: "%[1]s", messageType: basic}]
`, address+webhookPath)
}

func TestTeams_keepsTheContractOfADestination(t *testing.T) {
	fixture := destinationtest.Fixture{
		Definition: Definition(),
		Config:     config,
		Secrets:    []string{"s3cr3tSignature", "0123456789abcdef"},
		Mistakes: `
teamsNotification:
  enable: true
  reloadTaskFailure: {enable: true, webhookURL: "ftp://example.com` + webhookPath + `", basicMsgTemplate: ok, templateFile: none.handlebars}
  reloadTaskAborted: {enable: true, webhookURL: "https:` + webhookPath + `", basicMsgTemplate: "{{#if", messageType: basic, templateFile: unused}
  serviceStopped: {webhookURL: ""}
serviceMonitor: {enable: true, alertDestination: {teams: {enable: true}}}
`,
		MistakenPaths: []string{
			"teamsNotification.reloadTaskFailure.webhookURL", "teamsNotification.reloadTaskFailure.templateFile",
			"teamsNotification.reloadTaskAborted.webhookURL", "teamsNotification.reloadTaskAborted.basicMsgTemplate",
			"teamsNotification.serviceStopped.webhookURL", "teamsNotification.serviceStarted.webhookURL",
		},
		Inspect: inspect,
	}
	t.Run("formatted", func(t *testing.T) { destinationtest.Run(t, fixture) })
	fixture.Config, fixture.Variant = basicConfig, "basic"
	t.Run("basic", func(t *testing.T) { destinationtest.Run(t, fixture) })
}

// inspect checks that Teams would take the message and show what a reader must know.
func inspect(t *testing.T, s destinationtest.Sample, received []string) {
	t.Helper()
	for _, request := range received {
		_, body, _ := strings.Cut(request, "\n\n")
		var card map[string]any
		if err := json.Unmarshal([]byte(body), &card); err != nil {
			t.Fatalf("the payload is not JSON: %v", err)
		}
		var sent bytes.Buffer
		if err := json.Compact(&sent, []byte(body)); err != nil || sent.Len() > maxMessage {
			t.Errorf("want at most %d bytes, got %d, %v", maxMessage, sent.Len(), err)
		}
		wantShown(t, card)
		if len(s.Alert.Degraded) > 0 && !strings.Contains(body, "Details are missing") {
			t.Error("the message does not say that details are missing")
		}
	}
}

// wantShown checks that a card has no empty text and no button that leads nowhere.
func wantShown(t *testing.T, v any) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			wantShown(t, item)
		}
	case map[string]any:
		for _, name := range []string{"text", "url", "uri", "title", "value"} {
			if shown, has := v[name].(string); has && strings.TrimSpace(shown) == "" {
				t.Errorf("an empty %s in %v", name, v)
			}
		}
		for _, below := range v {
			wantShown(t, below)
		}
	}
}

func build(t *testing.T, text string) []destination.Built {
	t.Helper()
	return destinationtest.Built(t, Definition(), text)
}

// The Teams rows of the table "Firing conditions", one case a switch.
func TestUses_eachSwitchCounts(t *testing.T) {
	whole := config("https://example.com")
	for name, tc := range map[string]struct {
		old, without string
		want         []messages.AlertKind
	}{
		"everything": {"", "", []messages.AlertKind{
			messages.ReloadTaskFailed, messages.ReloadTaskAborted, messages.ServiceStopped, messages.ServiceStarted, messages.CloudReloadFailed,
		}},
		"master switch": {"teamsNotification:\n  enable: true", "teamsNotification:\n  enable: false", []messages.AlertKind{messages.CloudReloadFailed}},
		"reload failed": {"reloadTaskFailure: {enable: true", "reloadTaskFailure: {enable: false", []messages.AlertKind{
			messages.ReloadTaskAborted, messages.ServiceStopped, messages.ServiceStarted, messages.CloudReloadFailed,
		}},
		"reload aborted": {"reloadTaskAborted: {enable: true", "reloadTaskAborted: {enable: false", []messages.AlertKind{
			messages.ReloadTaskFailed, messages.ServiceStopped, messages.ServiceStarted, messages.CloudReloadFailed,
		}},
		"monitor": {"serviceMonitor: {enable: true", "serviceMonitor: {enable: false", []messages.AlertKind{
			messages.ReloadTaskFailed, messages.ReloadTaskAborted, messages.CloudReloadFailed,
		}},
		"destination of the monitor": {"teams: {enable: true}", "teams: {enable: false}", []messages.AlertKind{
			messages.ReloadTaskFailed, messages.ReloadTaskAborted, messages.CloudReloadFailed,
		}},
		"cloud": {"qlikSenseCloud:\n  enable: true", "qlikSenseCloud:\n  enable: false", []messages.AlertKind{
			messages.ReloadTaskFailed, messages.ReloadTaskAborted, messages.ServiceStopped, messages.ServiceStarted,
		}},
		"cloud alert": {"reloadAppFailure: {enable: true", "reloadAppFailure: {enable: false", []messages.AlertKind{
			messages.ReloadTaskFailed, messages.ReloadTaskAborted, messages.ServiceStopped, messages.ServiceStarted,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			got := map[messages.AlertKind]bool{}
			for _, b := range build(t, strings.Replace(whole, tc.old, tc.without, 1)) {
				if len(b.Instance.Kinds) == 1 {
					got[b.Instance.Kinds[0]] = true
				}
			}
			if len(got) != len(tc.want) {
				t.Errorf("want %v, got %v", tc.want, got)
			}
			for _, kind := range tc.want {
				if !got[kind] {
					t.Errorf("want %s to be sent", kind)
				}
			}
		})
	}
}

// cloudInstance returns the instance that carries alerts of Qlik Cloud.
func cloudInstance(t *testing.T, keys string) destination.Built {
	t.Helper()
	for _, b := range build(t, fmt.Sprintf(`
qlikSenseCloud:
  enable: true
  event: {mqtt: {tenant: {alert: {teamsNotification: {reloadAppFailure: {enable: true, webhookURL: "https://example.com", %s}}}}}}
`, keys)) {
		return b
	}
	t.Fatal("no instance")
	return destination.Built{}
}

// The tag counts for Teams, too.
func TestCloud_tagGateComparesExactly(t *testing.T) {
	complete, unknown := destinationtest.Complete(messages.CloudReloadFailed), destinationtest.Degraded(messages.CloudReloadFailed)
	untagged := complete
	untagged.App.Tags = nil
	for name, tc := range map[string]struct {
		keys  string
		alert messages.Alert
		told  bool
	}{
		"off":              {"alertEnableByTag: {enable: false, tag: other}", complete, true},
		"has it":           {"alertEnableByTag: {enable: true, tag: Butler alerts}", complete, true},
		"has another":      {"alertEnableByTag: {enable: true, tag: other}", complete, false},
		"other case":       {"alertEnableByTag: {enable: true, tag: butler alerts}", complete, false},
		"part of a tag":    {"alertEnableByTag: {enable: true, tag: Butler}", complete, false},
		"has none":         {"alertEnableByTag: {enable: true, tag: Butler alerts}", untagged, false},
		"nobody could say": {"alertEnableByTag: {enable: true, tag: Butler alerts}", unknown, true},
	} {
		t.Run(name, func(t *testing.T) {
			table, err := destination.NewTable([]destination.Built{cloudInstance(t, tc.keys)}, nil)
			if err != nil {
				t.Fatal(err)
			}
			notices, why := table.Route(&tc.alert, true, time.Time{})
			if told := len(notices) == 1; told != tc.told {
				t.Errorf("want told %v, got %v: %v", tc.told, told, why)
			}
			if tc.told && notices[0].SuppressBy != tc.alert.App.ID+"|" {
				t.Errorf("want the rate limit to count by app, got %q", notices[0].SuppressBy)
			}
		})
	}
}

// What one destination leaves out, the others show.
func TestCloud_basicContentOnlyLeavesOutAppAndReload(t *testing.T) {
	alert := destinationtest.Complete(messages.CloudReloadFailed)
	for keys, want := range map[string]bool{"basicContentOnly: false": true, "basicContentOnly: true": false} {
		b := cloudInstance(t, keys)
		shown, err := b.Destination.(destination.Previewer).Preview(destinationtest.NoticeOf(alert, b.Instance.Name, ""))
		if err != nil {
			t.Fatal(err)
		}
		for _, always := range []string{alert.App.ID, alert.App.Name, alert.Cloud.ReloadID} {
			if !strings.Contains(shown, always) {
				t.Errorf("%s: want %q shown in %s", keys, always, shown)
			}
		}
		for _, detail := range []string{"script log", alert.App.Description, alert.App.Tags[0], alert.Cloud.ErrorMessage, alert.Cloud.Trigger} {
			if got := strings.Contains(shown, detail); got != want {
				t.Errorf("%s: want %q shown %v, got %v", keys, detail, want, got)
			}
		}
		if b.Instance.Needs.ScriptLog() != want {
			t.Errorf("%s: want the script log looked up %v", keys, want)
		}
	}
	if diff := cmp.Diff(destinationtest.Complete(messages.CloudReloadFailed), alert); diff != "" {
		t.Errorf("the alert that others get has changed (-want +got):\n%s", diff)
	}
}

func TestDeliver_readsWhatAConnectorHidesIn200(t *testing.T) {
	const failed = "Webhook message delivery failed with error: "
	for name, tc := range map[string]struct {
		answer string
		kind   destination.ErrorKind
		ok     bool
	}{
		"accepted":    {"1", 0, true},
		"throttled":   {failed + "Microsoft Teams endpoint returned HTTP error 429 with ContextId tcid=0,server=x", destination.ThrottledKind, false},
		"too large":   {failed + "Microsoft Teams endpoint returned HTTP error 413 with ContextId tcid=1", destination.PermanentKind, false},
		"forbidden":   {failed + "Microsoft Teams endpoint returned HTTP error 403 with ContextId tcid=1", destination.MisconfiguredKind, false},
		"unavailable": {failed + "Microsoft Teams endpoint returned HTTP error 503 with ContextId tcid=1", destination.Transient, false},
		"no code":     {failed + "Error contacting Microsoft Teams endpoint", destination.Transient, false},
		"no error":    {failed + "Microsoft Teams endpoint returned HTTP error 200", destination.Transient, false},
	} {
		t.Run(name, func(t *testing.T) {
			peer := destinationtest.NewHTTPPeer(t, nil)
			peer.Respond(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, tc.answer+" "+r.RequestURI) })
			b := build(t, basicConfig(peer.URL()))[0]
			_, err := b.Destination.Deliver(t.Context(), destinationtest.NoticeOf(destinationtest.Complete(messages.ReloadTaskFailed), b.Instance.Name, ""))
			if kind, _ := destination.KindOf(err); (err == nil) != tc.ok || kind != tc.kind {
				t.Errorf("want kind %d, got %d: %v", tc.kind, kind, err)
			}
			if err != nil && strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("the error shows the address: %v", err)
			}
		})
	}
}
