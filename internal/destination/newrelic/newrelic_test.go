package newrelic

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"butler/internal/destination"
	"butler/internal/destination/destinationtest"
	"butler/messages"
)

const (
	firstKey     = "NRII-F1RST-KEY-0001"
	secondKey    = "NRII-S3COND-KEY-0002"
	headerSecret = "H3ADER-S3CRET"
)

// accounts has two, of which the sample task chooses "Finance" by its custom property Department.
const accounts = `
thirdPartyToolsCredentials:
  newRelic:
    - {accountName: Operations, insertApiKey: ` + firstKey + `, accountId: 1001}
    - {accountName: Finance, insertApiKey: ` + secondKey + `, accountId: 1002}
`

func sampleConfig(address string) string {
	return accounts + `
serviceMonitor: {alertDestination: {newRelic: {enable: true}}}
incidentTool:
  newRelic:
    enable: true
    url: {event: "` + address + `/", log: "` + address + `/log/v1"}
    reloadTaskFailure:
      destination:
        event:
          enable: true
          sendToAccount: {always: {enable: true, account: [Operations]}}
          attribute: {static: [{name: service, value: butler events}, {name: eventType, value: mine}]}
        log:
          enable: true
          tailScriptLogLines: 3
          sendToAccount: {byCustomProperty: {enable: true, customPropertyName: Department}}
          attribute: {dynamic: {useAppTags: false, useTaskTags: false}}
      sharedSettings:
        header: [{name: X-Team, value: ` + headerSecret + `}, {name: API-key, value: not this one}]
        attribute: {static: [{name: service, value: butler}, {name: environment, value: prod}]}
    reloadTaskAborted:
      destination:
        log: {enable: true, tailScriptLogLines: 2, sendToAccount: {always: {enable: true, account: [Finance]}}}
      sharedSettings: {rateLimit: 0}
    serviceMonitor:
      monitorServiceState: {running: {enable: true}, stopped: {enable: true}}
      destination:
        event: {enable: true, sendToAccount: [Operations], attribute: {dynamic: {serviceName: false}}}
        log: {enable: true, sendToAccount: [Operations]}
uptimeMonitor:
  storeNewRelic:
    enable: true
    url: "` + address + `/metric/v1"
    destinationAccount: [Operations, Finance]
    header: [{name: X-Team, value: ` + headerSecret + `}]
    metric: {dynamic: {butlerMemoryUsage: {enable: true}, butlerUptime: {enable: true}}}
    attribute: {static: [{name: service, value: butler}], dynamic: {butlerVersion: {enable: true}}}
routes:
  - name: all
    newRelic: [{accounts: [Finance], event: true, log: true, tailScriptLogLines: 1}]
`
}

func TestNewRelic_keepsTheContractOfADestination(t *testing.T) {
	destinationtest.Run(t, destinationtest.Fixture{
		Definition: Definition(),
		Config:     sampleConfig,
		Secrets:    []string{firstKey, secondKey, headerSecret},
		Mistakes: `
thirdPartyToolsCredentials:
  newRelic:
    - {accountName: "", insertApiKey: ` + firstKey + `, accountId: 1}
    - {accountName: A, insertApiKey: "` + secondKey + `\n", accountId: 0}
    - {accountName: A, insertApiKey: ` + firstKey + `, accountId: 2}
incidentTool:
  newRelic:
    enable: true
    destinationAccount: {event: [A, B], log: [C]}
    url: {event: "ftp://x", log: "insights"}
    reloadTaskFailure:
      destination:
        event: {enable: true, sendToAccount: {always: {enable: true, account: [A, a]}}}
      sharedSettings: {header: [{name: "a b", value: "x\ny"}]}
routes:
  - name: all
    newRelic: [{accounts: [D], event: false}, {header: [{name: "", value: x}]}]
uptimeMonitor:
  storeNewRelic: {enable: true, url: "mailto:x", destinationAccount: [E], header: [{name: "", value: x}]}
`,
		MistakenPaths: []string{
			"thirdPartyToolsCredentials.newRelic[0].accountName",
			"thirdPartyToolsCredentials.newRelic[1].insertApiKey",
			"thirdPartyToolsCredentials.newRelic[1].accountId",
			"thirdPartyToolsCredentials.newRelic[2].accountName",
			"incidentTool.newRelic.url.event",
			"incidentTool.newRelic.url.log",
			"incidentTool.newRelic.destinationAccount.event[1]",
			"incidentTool.newRelic.destinationAccount.log[0]",
			"incidentTool.newRelic.reloadTaskFailure.sharedSettings.header[0]",
			"incidentTool.newRelic.reloadTaskFailure.sharedSettings.header[0]",
			"uptimeMonitor.storeNewRelic.destinationAccount[0]",
			"uptimeMonitor.storeNewRelic.header[0]",
			"uptimeMonitor.storeNewRelic.url",
			"uptimeMonitor.storeNewRelic.metric.dynamic",
			"incidentTool.newRelic.reloadTaskFailure.destination.event.sendToAccount.always.account[1]",
			"routes[0].newRelic[0].accounts[0]",
			"routes[0].newRelic[0].event",
			"routes[0].newRelic[1].accounts",
			"routes[0].newRelic[1].header[0]",
		},
		Normalise: func(s string) string {
			return strings.NewReplacer(firstKey, "FIRST-KEY", secondKey, "SECOND-KEY").Replace(s)
		},
		Inspect: inspect,
	})
}

// inspect holds what was sent against New Relic's limits.
func inspect(t *testing.T, s destinationtest.Sample, received []string) {
	t.Helper()
	if len(received) != 1 {
		t.Fatalf("want one request, got %d", len(received))
	}
	_, body, _ := strings.Cut(received[0], "\n\n")
	if s.Alert.Kind == messages.ProcessUsage {
		wantMetrics(t, []byte(body))
		return
	}
	got := sent(t, []byte(body))
	wantWithinLimits(t, got.attributes)
	if missing := strings.Join(s.Alert.Degraded, "; "); missing != "" && got.attributes["butler_degraded"] != missing {
		t.Errorf("want the attributes to tell that %q, got %v", missing, got.attributes["butler_degraded"])
	}
}

// wantMetrics finds all of them in a body.
func wantMetrics(t *testing.T, body []byte) {
	t.Helper()
	var list []struct {
		Common struct {
			Timestamp  int64
			Interval   int64 `json:"interval.ms"`
			Attributes map[string]any
		}
		Metrics []gauge
	}
	if err := json.Unmarshal(body, &list); err != nil || len(list) != 1 {
		t.Fatalf("the body is no list with one object: %v\n%.500s", err, body)
	}
	want := []gauge{
		{"qs_butlerHeapUsed", "gauge", 66_080_768},
		{"qs_butlerHeapTotal", "gauge", 74_973_184},
		{"qs_butlerExternalMem", "gauge", 4_414_505},
		{"qs_butlerProcessMem", "gauge", 135_004_160},
		{"qs_butlerUptimeMillisec", "gauge", 5_400_000},
	}
	if diff := cmp.Diff(want, list[0].Metrics); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if list[0].Common.Interval != 900_000 || list[0].Common.Timestamp < 1_600_000_000_000 {
		t.Errorf("want milliseconds, got %+v", list[0].Common)
	}
	wantWithinLimits(t, list[0].Common.Attributes)
}

func TestUsage_needsNoAlertsToNewRelic(t *testing.T) {
	built := buildAll(t, accounts+"uptimeMonitor: {storeNewRelic: {enable: true, destinationAccount: [Finance], metric: {dynamic: {butlerUptime: {enable: true}}}}}")
	if diff := cmp.Diff([]string{"process_usage/metric/Finance"}, names(built)); diff != "" {
		t.Fatalf("instances (-want +got):\n%s", diff)
	}
	body, err := built["newrelic/process_usage/metric/Finance"].Destination.(*sender).Preview(
		destinationtest.NoticeOf(destinationtest.Complete(messages.ProcessUsage), "x", ""))
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"common":{"attributes":{},"interval.ms":900000,"timestamp":1778070226123},"metrics":[{"name":"qs_butlerUptimeMillisec","type":"gauge","value":5400000}]}]`
	if body != want {
		t.Errorf("want only what is switched on:\n%s\ngot\n%s", want, body)
	}
}

// request is what New Relic would keep of a body.
type request struct {
	attributes map[string]any
	message    string
}

func sent(t *testing.T, body []byte) request {
	t.Helper()
	var list []map[string]any
	if err := json.Unmarshal(body, &list); err != nil || len(list) != 1 {
		t.Fatalf("the body is no list with one object: %v\n%.500s", err, body)
	}
	common, isLog := list[0]["common"].(map[string]any)
	if !isLog {
		return request{attributes: list[0]}
	}
	var log []struct {
		Logs []struct{ Message string }
	}
	if err := json.Unmarshal(body, &log); err != nil || len(log[0].Logs) != 1 || log[0].Logs[0].Message == "" {
		t.Fatalf("want one log entry with a message: %v\n%.500s", err, body)
	}
	attributes, _ := common["attributes"].(map[string]any)
	return request{attributes: attributes, message: log[0].Logs[0].Message}
}

func wantWithinLimits(t *testing.T, got map[string]any) {
	t.Helper()
	if len(got) == 0 || len(got) > maxAttributes {
		t.Errorf("there are %d attributes", len(got))
	}
	for name, value := range got {
		if n := utf8.RuneCountInString(name); n == 0 || n > maxNameLength {
			t.Errorf("the attribute %.40q has a name of %d characters", name, n)
		}
		switch value := value.(type) {
		case string:
			if n := utf8.RuneCountInString(value); n > maxValue {
				t.Errorf("the attribute %s has %d characters", name, n)
			}
		case float64:
		default:
			t.Errorf("the attribute %s is neither text nor number: %v", name, value)
		}
	}
}

func buildAll(t *testing.T, config string) map[string]destination.Built {
	t.Helper()
	return destinationtest.BuiltByName(t, Definition(), config)
}

func names(built map[string]destination.Built) []string {
	var out []string
	for name := range built {
		out = append(out, strings.TrimPrefix(name, "newrelic/"))
	}
	slices.Sort(out)
	return out
}

func TestInstances_areOnePerKindFormAndAccount(t *testing.T) {
	want := []string{
		"process_usage/metric/Finance",
		"process_usage/metric/Operations",
		"reload_task_aborted/log/Finance",
		"reload_task_failed/event/Operations",
		"reload_task_failed/log/Finance",
		"reload_task_failed/log/Operations",
		"routes/all/event/Finance",
		"routes/all/log/Finance",
		"windows_service_started/event/Operations",
		"windows_service_started/log/Operations",
		"windows_service_stopped/event/Operations",
		"windows_service_stopped/log/Operations",
	}
	if diff := cmp.Diff(want, names(buildAll(t, sampleConfig("http://127.0.0.1:1")))); diff != "" {
		t.Error(diff)
	}
}

func TestInstances_everySwitchCounts(t *testing.T) {
	on := sampleConfig("http://127.0.0.1:1")
	without := func(old, replacement string) []string {
		if !strings.Contains(on, old) {
			t.Fatalf("the configuration has no %q", old)
		}
		return names(buildAll(t, strings.Replace(on, old, replacement, 1)))
	}
	if got := without("newRelic:\n    enable: true", "newRelic:\n    enable: false"); slices.ContainsFunc(got, func(s string) bool { return !strings.HasPrefix(s, "process_usage/") }) {
		t.Errorf("master switch off: want no alerts, got %v", got)
	}
	for what, got := range map[string][]string{
		"serviceMonitor.alertDestination.newRelic": without("{newRelic: {enable: true}}", "{newRelic: {enable: false}}"),
		"states": without("{running: {enable: true}, stopped: {enable: true}}", "{}"),
	} {
		if slices.ContainsFunc(got, func(s string) bool { return strings.HasPrefix(s, "windows") }) {
			t.Errorf("%s off: want no service, got %v", what, got)
		}
	}
	if got := without("running: {enable: true}", "running: {enable: false}"); slices.Contains(got, "windows_service_started/log/Operations") ||
		!slices.Contains(got, "windows_service_stopped/log/Operations") {
		t.Errorf("running off: want stopped services alone, got %v", got)
	}
	if got := without("event: {enable: true, sendToAccount: [Operations", "event: {enable: false, sendToAccount: [Operations"); slices.Contains(got, "windows_service_stopped/event/Operations") {
		t.Errorf("events of services off: got %v", got)
	}
	if got := without("byCustomProperty: {enable: true", "byCustomProperty: {enable: false"); slices.Contains(got, "reload_task_failed/log/Finance") {
		t.Errorf("custom property off: got %v", got)
	}
}

func TestInstances_haveTheirWindowAndCountDirectionsApart(t *testing.T) {
	built := buildAll(t, sampleConfig("http://127.0.0.1:1"))
	for name, want := range map[string]time.Duration{
		"newrelic/reload_task_failed/event/Operations": 15 * time.Second, "newrelic/reload_task_aborted/log/Finance": 0,
		"newrelic/windows_service_stopped/event/Operations": 5 * time.Second,
	} {
		if got := built[name].Instance.Window; got != want {
			t.Errorf("%s: got a window of %v, want %v", name, got, want)
		}
	}
}

// told lists the accounts that get an alert as an event.
func told(t *testing.T, selection string, a messages.Alert) (told []string, why string) {
	t.Helper()
	config := accounts + `
incidentTool:
  newRelic:
    enable: true
    ` + selection
	for _, b := range buildAll(t, config) {
		_, account, _ := strings.Cut(b.Instance.Name, "/event/")
		if b.Instance.Select == nil {
			told = append(told, account)
			continue
		}
		selected := b.Instance.Select(&a)
		if len(selected.Recipients) > 0 {
			told = append(told, account)
		}
		why += selected.Reason
	}
	slices.Sort(told)
	return told, why
}

func TestAccounts_areChosenByListsAndByTheTask(t *testing.T) {
	const always = `sendToAccount: {always: {enable: true, account: [Operations, Operations]}}`
	const byProperty = `sendToAccount: {byCustomProperty: {enable: true, customPropertyName: Department}}`
	const other = `sendToAccount: {byCustomProperty: {enable: true, customPropertyName: Butler_SuccessReloadTask_InfluxDB}}`
	const both = `sendToAccount: {always: {enable: true, account: [Operations]}, byCustomProperty: {enable: true, customPropertyName: Department}}`
	const switchedOff = `sendToAccount: {always: {account: [Operations]}, byCustomProperty: {customPropertyName: Department}}`
	complete, degraded := destinationtest.Complete(messages.ReloadTaskFailed), destinationtest.Degraded(messages.ReloadTaskFailed)
	all := []string{"Finance", "Operations"}
	for name, row := range map[string]struct {
		legacy, send string
		alert        messages.Alert
		want         []string
		why          string
	}{
		"always":                        {"", always, complete, []string{"Operations"}, ""},
		"by the task":                   {"", byProperty, complete, []string{"Finance"}, `no custom property Department with the value "Operations"`},
		"both":                          {"", both, complete, all, ""},
		"legacy list":                   {"destinationAccount: {event: [Finance]}", always, complete, all, ""},
		"the task names none":           {"", other, complete, nil, "no custom property"},
		"switches are off":              {"", switchedOff, complete, nil, ""},
		"task not known, nobody else":   {"", byProperty, degraded, all, ""},
		"task not known, somebody else": {"", both, degraded, []string{"Operations"}, "are not known, and other accounts are told"},
	} {
		t.Run(name, func(t *testing.T) {
			got, why := told(t, row.legacy+"\n    reloadTaskFailure: {destination: {event: {enable: true, "+row.send+"}}}", row.alert)
			if diff := cmp.Diff(row.want, got); diff != "" || !strings.Contains(why, row.why) {
				t.Errorf("told (-want +got):\n%s\nbecause %q, want %q", diff, why, row.why)
			}
		})
	}
}

func TestAccounts_thatTheTaskChoosesNeedItsCustomProperty(t *testing.T) {
	for name, b := range buildAll(t, sampleConfig("http://127.0.0.1:1")) {
		want := []destination.Property(nil)
		if strings.HasPrefix(name, "newrelic/reload_task_failed/log/") {
			want = []destination.Property{{
				Path: "incidentTool.newRelic.reloadTaskFailure.destination.log.sendToAccount.byCustomProperty.customPropertyName", Name: "Department",
				Values: []string{"Operations", "Finance"},
			}}
		}
		if diff := cmp.Diff(want, b.Instance.Properties); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestCheck_tellsWhatReachesNobody(t *testing.T) {
	for name, row := range map[string]struct{ config, path, suggestion string }{
		"nobody is chosen": {
			accounts + `incidentTool: {newRelic: {enable: true, reloadTaskFailure: {destination: {event: {enable: true}}}}}`,
			"incidentTool.newRelic.reloadTaskFailure.destination.event.sendToAccount.always.account", `use "Operations" or "Finance"`,
		},
		"no account to choose": {
			`incidentTool: {newRelic: {enable: true, reloadTaskFailure: {destination: {log: {enable: true, sendToAccount: {byCustomProperty: {enable: true}}}}}}}`,
			"incidentTool.newRelic.reloadTaskFailure.destination.log.sendToAccount.byCustomProperty.enable", "add the accounts there",
		},
		"no custom property": {
			accounts + `incidentTool: {newRelic: {enable: true, reloadTaskAborted: {destination: {log: {enable: true, sendToAccount: {byCustomProperty: {enable: true, customPropertyName: ""}}}}}}}`,
			"incidentTool.newRelic.reloadTaskAborted.destination.log.sendToAccount.byCustomProperty.customPropertyName", "name the custom property",
		},
		"an account that is not there": {
			`incidentTool: {newRelic: {enable: true, reloadTaskFailure: {destination: {event: {enable: true, sendToAccount: {always: {enable: true, account: [A]}}}}}}}`,
			"incidentTool.newRelic.reloadTaskFailure.destination.event.sendToAccount.always.account[0]", "add the account there",
		},
	} {
		problems, err := Definition().Check(destinationtest.Decoder(row.config, schema), destinationtest.Deps(t))
		if err != nil || len(problems) != 1 || problems[0].Path != row.path || !strings.Contains(problems[0].Suggestion, row.suggestion) {
			t.Errorf("%s: got %v, %v", name, problems, err)
		}
	}
}

func TestDelivery_oneFailingAccountStopsNoOther(t *testing.T) {
	peer := destinationtest.NewHTTPPeer(t, nil)
	built := buildAll(t, accounts+`
incidentTool: {newRelic: {enable: true, url: {event: "`+peer.URL()+`"}}}
routes: [{name: both, newRelic: [{accounts: [Operations, Finance]}]}]
`)
	peer.Respond(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/1001/") {
			w.WriteHeader(http.StatusForbidden)
		}
	})
	n := messages.Notice{Alert: destinationtest.Complete(messages.ReloadTaskFailed)}
	_, err := built["newrelic/routes/both/event/Operations"].Destination.Deliver(t.Context(), n)
	if kind, _ := destination.KindOf(err); kind != destination.MisconfiguredKind {
		t.Errorf("first account: want a misconfiguration, got %v", err)
	}
	if _, err := built["newrelic/routes/both/event/Finance"].Destination.Deliver(t.Context(), n); err != nil {
		t.Errorf("second account: %v", err)
	}
}
