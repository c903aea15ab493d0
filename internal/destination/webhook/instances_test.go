package webhook

import (
	"maps"
	"net/http"
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
func instances(t *testing.T, config string) map[string]destination.Built {
	t.Helper()
	return destinationtest.BuiltByName(t, Definition(), config)
}

// The webhook rows of the table "Firing conditions", one case a switch.
func TestFiring_everySwitchCounts(t *testing.T) {
	const failed, aborted, service, status, expiry, cloud, route = "reload_task_failed", "reload_task_aborted", "windows_service",
		"server_license_status", "server_license_expiring", "cloud_app_reload_failed", "routes"
	everything := sampleConfig("http://127.0.0.1:1")
	for name, row := range map[string]struct {
		// turn is the switch that is turned off, by the text before its "enable: true".
		turn string
		want []string
	}{
		"all on":                           {"", []string{cloud, aborted, failed, route, expiry, status, service}},
		"webhookNotification":              {"webhookNotification:\n  ", []string{cloud}},
		"service monitor":                  {"serviceMonitor: {", []string{cloud, aborted, failed, route, expiry, status}},
		"service monitor, for webhooks":    {"alertDestination: {webhook: {", []string{cloud, aborted, failed, route, expiry, status}},
		"licence monitor":                  {"serverLicenseMonitor: {", []string{cloud, aborted, failed, route, service}},
		"licence monitor, for webhooks":    {"destination: {webhook: {", []string{cloud, aborted, failed, route, service}},
		"licence monitor, every check":     {"sendRecurring: {", []string{cloud, aborted, failed, route, expiry, service}},
		"licence monitor, about to expire": {"sendAlert: {", []string{cloud, aborted, failed, route, status, service}},
		"cloud":                            {"qlikSenseCloud: {", []string{aborted, failed, route, expiry, status, service}},
		"cloud, app reload failed":         {"reloadAppFailure: {", []string{aborted, failed, route, expiry, status, service}},
	} {
		t.Run(name, func(t *testing.T) {
			config := everything
			if row.turn != "" {
				config = strings.Replace(everything, row.turn+"enable: true", row.turn+"enable: false", 1)
				if config == everything {
					t.Fatalf("the configuration has no switch after %q", row.turn)
				}
			}
			events := map[string]bool{}
			for name := range instances(t, config) {
				events[strings.Split(name, "/")[1]] = true
			}
			if diff := cmp.Diff(row.want, slices.Sorted(maps.Keys(events))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestInstances_areOnePerWebhookWithTheWindowOfTheirEvent(t *testing.T) {
	want := map[string]time.Duration{
		"webhook/reload_task_failed/1": 300 * time.Second, "webhook/reload_task_failed/2": 300 * time.Second,
		"webhook/reload_task_aborted/1": 0,
		"webhook/windows_service/1":     300 * time.Second, "webhook/windows_service/2": 300 * time.Second,
		"webhook/server_license_status/1": 60 * time.Second, "webhook/server_license_status/2": 60 * time.Second,
		"webhook/server_license_expiring/1": 1500 * time.Millisecond, "webhook/server_license_expiring/2": 1500 * time.Millisecond,
		"webhook/cloud_app_reload_failed/1": 30 * time.Second, "webhook/cloud_app_reload_failed/2": 30 * time.Second,
		"webhook/routes/rest": 300 * time.Second,
	}
	got := map[string]time.Duration{}
	for name, b := range instances(t, sampleConfig("http://127.0.0.1:1")) {
		got[name] = b.Instance.Window
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// The tag counts for webhooks, too.
func TestTagGate_letsThroughWhatHasTheTagAndWhatIsNotKnown(t *testing.T) {
	open := sampleConfig("http://127.0.0.1:1")
	gated := strings.Replace(open, "alertEnableByTag: {enable: false", "alertEnableByTag: {enable: true", 1)
	gate := instances(t, gated)["webhook/cloud_app_reload_failed/2"].Instance.Select
	for name, row := range map[string]struct {
		app  messages.App
		told bool
	}{
		"with the tag":           {messages.App{Known: true, Tags: []string{"Butler alerts"}}, true},
		"in other letters":       {messages.App{Known: true, Tags: []string{"butler alerts"}}, false},
		"could not be looked up": {messages.App{}, true},
	} {
		got := gate(&messages.Alert{Kind: messages.CloudReloadFailed, App: row.app})
		if told := len(got.Recipients) == 1; told != row.told || told == (got.Reason != "") {
			t.Errorf("%s: want told %t, got %+v", name, row.told, got)
		}
	}
}

func TestInstances_needWhatTheirMessagesTell(t *testing.T) {
	for name, b := range instances(t, sampleConfig("http://127.0.0.1:1")) {
		want := destination.Needs{Task: true, App: true, Owner: true, Execution: strings.HasPrefix(name, "webhook/cloud_")}
		if diff := cmp.Diff(want, b.Instance.Needs); diff != "" {
			t.Errorf("%s needs (-want +got):\n%s", name, diff)
		}
	}
}

func TestFiring_aSectionWithoutAddressesCallsNobody(t *testing.T) {
	for _, list := range []string{"[]", "null"} {
		config := "{webhookNotification: {enable: true, reloadTaskFailure: {webhooks: " + list + "}}}"
		if built := instances(t, config); len(built) > 0 {
			t.Errorf("webhooks: %s: want nobody called, got %v", list, slices.Collect(maps.Keys(built)))
		}
	}
}

func TestQ9_oneTimeoutForEveryMethod(t *testing.T) {
	for name, b := range instances(t, sampleConfig("http://127.0.0.1:1")) {
		s := b.Destination.(*sender)
		if b.Instance.Timeout != timeout || s.client.Timeout != timeout {
			t.Errorf("%s, %s: want %s, got %s and %s", name, s.method, timeout, b.Instance.Timeout, s.client.Timeout)
		}
	}
}

func TestQ9_aBadWebhookStopsNoneOfTheOthers(t *testing.T) {
	for _, section := range []struct {
		name, path string
		kind       messages.AlertKind
	}{
		{"reload_task_failed", "reloadTaskFailure", messages.ReloadTaskFailed},
		{"windows_service", "serviceMonitor", messages.ServiceStopped},
		{"server_license_status", "qlikSenseServerLicenseMonitor", messages.LicenseStatus},
		{"server_license_expiring", "qlikSenseServerLicenseExpiryAlert", messages.LicenseExpiring},
	} {
		t.Run(section.name, func(t *testing.T) {
			refusing, good := destinationtest.NewHTTPPeer(t, nil), destinationtest.NewHTTPPeer(t, nil)
			refusing.Peer().Answer(http.StatusInternalServerError, "")
			list := `[{webhookURL: "https://example.com", cert: {enable: true, certCA: none.pem}}, {webhookURL: "` +
				refusing.URL() + `"}, {webhookURL: "` + good.URL() + `"}]`
			config := `{webhookNotification: {enable: true, ` + section.path + `: {webhooks: ` + list + `}},
serviceMonitor: {enable: true, alertDestination: {webhook: {enable: true}}},
qlikSenseLicense: {serverLicenseMonitor: {enable: true, destination: {webhook: {enable: true, sendRecurring: {enable: true}, sendAlert: {enable: true}}}}}}`
			built := instances(t, config)
			for n, ok := range map[string]bool{"1": false, "2": false, "3": true} {
				name := "webhook/" + section.name + "/" + n
				_, err := built[name].Destination.Deliver(t.Context(), destinationtest.NoticeOf(destinationtest.Complete(section.kind), name, ""))
				if (err == nil) != ok {
					t.Errorf("%s: want success %t, got %v", name, ok, err)
				}
			}
			if got := len(good.Requests()); got != 1 {
				t.Errorf("want the last one called once, got %d calls", got)
			}
		})
	}
}

func TestPreview_isWhatIsSentWithoutTheAddress(t *testing.T) {
	built := instances(t, sampleConfig("http://127.0.0.1:1"))
	n := messages.Notice{Alert: destinationtest.Complete(messages.LicenseExpiring)}
	for name, want := range map[string]string{
		"webhook/server_license_expiring/1": `{"event":"server license about to expire alert","licenseExpired":false,"expiryDateStr":"2026-06-15","daysUntilExpiry":40}`,
		"webhook/server_license_expiring/2": `event=server+license+about+to+expire+alert&licenseExpired=false&expiryDateStr=2026-06-15&daysUntilExpiry=40`,
	} {
		got, err := built[name].Destination.(destination.Previewer).Preview(n)
		if err != nil || got != want {
			t.Errorf("%s: want %s, got %s, %v", name, want, got, err)
		}
	}
}
