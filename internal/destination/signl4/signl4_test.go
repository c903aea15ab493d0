package signl4

import (
	"encoding/json"
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
	teamSecret  = "T3AM-S3CRET-1"
	otherSecret = "T3AM-S3CRET-2"
)

func sampleConfig(address string) string {
	return `
incidentTool:
  signl4:
    enable: true
    url: ` + address + `/webhook/` + teamSecret + `
    reloadTaskFailure:
      enable: true
      includeApp: {includeAll: false, appId: [` + strings.ToUpper(destinationtest.AppID) + `]}
    reloadTaskAborted:
      enable: true
      rateLimit: 0
      serviceName: Reloads
      location: 59.3293, 18.0686
      includeApp: {includeAll: true}
routes:
  - name: night
    signl4: [{url: "` + address + `/webhook/` + otherSecret + `", serviceName: Night, severity: 7}]
`
}

func TestSignl4_keepsTheContractOfADestination(t *testing.T) {
	destinationtest.Run(t, destinationtest.Fixture{
		Definition: Definition(),
		Config:     sampleConfig,
		Secrets:    []string{teamSecret, otherSecret},
		Mistakes: `
incidentTool:
  signl4:
    enable: true
    url: ftp://connect.example.com/` + teamSecret + `
    reloadTaskFailure: {enable: true, location: Stockholm, includeApp: {appId: [Sales, ` + destinationtest.AppID + `]}}
routes:
  - name: night
    signl4: [{url: "https:///` + otherSecret + `"}, {includeApp: {includeAll: false}}]
`,
		MistakenPaths: []string{
			"incidentTool.signl4.url",
			"incidentTool.signl4.reloadTaskFailure.location",
			"incidentTool.signl4.reloadTaskFailure.includeApp.appId[0]",
			"routes[0].signl4[0].url",
			"routes[0].signl4[1].includeApp.includeAll",
		},
		Inspect: inspect,
	})
}

// inspect checks that a signal is whole and within its limits, whatever the texts.
func inspect(t *testing.T, s destinationtest.Sample, received []string) {
	t.Helper()
	if len(received) != 1 {
		t.Fatalf("want one request, got %d", len(received))
	}
	_, body, _ := strings.Cut(received[0], "\n\n")
	var got signal
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("the body is no JSON: %v\n%s", err, body)
	}
	for name, row := range map[string]struct {
		text  string
		limit int
	}{"Title": {got.Title, maxTitle}, "Message": {got.Message, maxMessage}, "X-S4-ExternalID": {got.ExternalID, maxID}} {
		if n := utf8.RuneCountInString(row.text); n == 0 || n > row.limit {
			t.Errorf("%s has %d characters, want 1 to %d", name, n, row.limit)
		}
	}
	for _, missing := range s.Alert.Degraded {
		if !strings.Contains(got.Message, missing) {
			t.Errorf("the message does not tell that something is missing: %q", got.Message)
		}
	}
}

func buildAll(t *testing.T, config string) map[string]destination.Built {
	t.Helper()
	return destinationtest.BuiltByName(t, Definition(), config)
}

func TestInstances_haveTheWindowOfTheirEvent(t *testing.T) {
	got := map[string]time.Duration{}
	for name, b := range buildAll(t, sampleConfig("http://127.0.0.1:1")) {
		got[name] = b.Instance.Window
	}
	want := map[string]time.Duration{
		"signl4/reload_task_failed": 15 * time.Second, "signl4/reload_task_aborted": 0, "signl4/routes/night": 15 * time.Second,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestInstances_areNoneWithoutTheMasterSwitch(t *testing.T) {
	off := strings.Replace(sampleConfig("http://127.0.0.1:1"), "enable: true", "enable: false", 1)
	if got := buildAll(t, off); len(got) > 0 {
		t.Errorf("want none, got %v", got)
	}
}

func TestIncludeApp_decidesWhoseAlertsAreSent(t *testing.T) {
	const other = "00000000-1111-4222-8333-444455556666"
	only := func(ids ...string) IncludeApp { return IncludeApp{AppID: ids} }
	distribute := destinationtest.Complete(messages.DistributeTaskFailed)
	for name, row := range map[string]struct {
		include IncludeApp
		alert   messages.Alert
		why     string
	}{
		"all":                          {IncludeApp{IncludeAll: true}, destinationtest.Complete(messages.ReloadTaskFailed), ""},
		"listed":                       {only(other, destinationtest.AppID), destinationtest.Complete(messages.ReloadTaskFailed), ""},
		"listed in another case":       {only(" " + strings.ToUpper(destinationtest.AppID)), destinationtest.Degraded(messages.ReloadTaskFailed), ""},
		"not listed":                   {only(other), destinationtest.Complete(messages.ReloadTaskFailed), "is not in includeApp.appId"},
		"nothing listed":               {only(), destinationtest.Complete(messages.ReloadTaskFailed), "is not in includeApp.appId"},
		"named by the task":            {only(destinationtest.AppID), distribute, ""},
		"the task is not known":        {only(other), destinationtest.Degraded(messages.DistributeTaskFailed), ""},
		"an empty ID includes no app":  {only(""), destinationtest.Complete(messages.UserSyncTaskFailed), "about no app"},
		"a service has no app":         {only(other), destinationtest.Complete(messages.ServiceStopped), "about no app"},
		"the app of a cloud reload":    {only(destinationtest.AppID), destinationtest.Complete(messages.CloudReloadFailed), ""},
		"all, of what is about no app": {IncludeApp{IncludeAll: true}, destinationtest.Complete(messages.LicenseExpiring), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := row.include.selects(&row.alert)
			if (len(got.Recipients) == 1) != (row.why == "") || !strings.Contains(got.Reason, row.why) {
				t.Errorf("got %v because %q, want the reason %q", got.Recipients, got.Reason, row.why)
			}
		})
	}
}

func TestPayload_isTheDocumentedOneForACompleteReload(t *testing.T) {
	n := messages.Notice{Alert: destinationtest.Complete(messages.ReloadTaskFailed)}
	got, err := payloadOf(n, Settings{Severity: 1, ServiceName: "Qlik Sense"}).json()
	want := `{"Title":"Qlik Sense reload task failed","Message":"Task: Reload of Sales","Severity":1,"X-S4-Service":"Qlik Sense","X-S4-ExternalID":"` +
		destinationtest.TaskID + `","X-S4-Status":"new"}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s\nwant %s\n%v", got, want, err)
	}
}

func TestPayload_tellsTestsAndWhatWasHeldBack(t *testing.T) {
	n := messages.Notice{Alert: destinationtest.Overlong(messages.ReloadTaskFailed), SuppressedBefore: 4}
	n.Alert.Test = true
	got := payloadOf(n, Settings{}).Message
	if !strings.Contains(got, "This is a test alert") || !strings.Contains(got, "4 earlier alerts") {
		t.Errorf("got the message %.100q...%q", got, got[len(got)-100:])
	}
}

func TestCheck_warnsOfTheSampleAppThatSilencesTheOthers(t *testing.T) {
	for name, row := range map[string]struct {
		include IncludeApp
		want    int
	}{
		"as in the template":   {IncludeApp{AppID: []string{templateApp}}, 1},
		"with one of your own": {IncludeApp{AppID: []string{templateApp, destinationtest.AppID}}, 0},
		"not looked at":        {IncludeApp{IncludeAll: true, AppID: []string{templateApp}}, 0},
	} {
		if got := row.include.check(); len(got) != row.want || row.want == 1 && !got[0].Warning {
			t.Errorf("%s: got %v, want %d warnings", name, got, row.want)
		}
	}
}

func TestLocation_isTwoNumbersOfDegrees(t *testing.T) {
	for text, want := range map[string]bool{
		"59.3293,18.0686": true, "-33.9, 151.2": true, "90,-180": true,
		"90.1,0": false, "0,181": false, "59.3293": false, "a,b": false, "NaN,0": false, "1,2,3": false,
	} {
		if validLocation(text) != want {
			t.Errorf("%s: want %t", text, want)
		}
	}
}
