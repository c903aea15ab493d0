package webhook

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/destination/destinationtest"
	"butler/messages"
)

func jsonOf(t *testing.T, n messages.Notice) string {
	t.Helper()
	text, err := messageOf(n).json()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestMessage_isTheDocumentedOne(t *testing.T) {
	for name, row := range map[string]struct {
		kind   messages.AlertKind
		change func(*messages.Alert)
		json   string
		query  string
	}{
		"service stopped": {
			kind:  messages.ServiceStopped,
			json:  `{"event":"Windows service monitor","host":"sense-01","serviceStatus":"STOPPED","serviceName":"QlikSenseEngineService","serviceDisplayName":"Qlik Sense Engine Service","serviceStartType":"Automatic","prevState":"RUNNING","currState":"STOPPED","stateChanged":true}`,
			query: `event=Windows+service+monitor&host=sense-01&servicestatus=STOPPED&servicename=QlikSenseEngineService&servicedisplayname=Qlik+Sense+Engine+Service&servicestarttype=Automatic&prevstate=RUNNING&currstate=STOPPED&statechanged=true`,
		},
		"service, as it is": {
			kind:  messages.ServiceStatus,
			json:  `{"event":"Windows service status","host":"sense-01","serviceStatus":"RUNNING","serviceName":"QlikSenseEngineService","serviceDisplayName":"Qlik Sense Engine Service","serviceStartType":"Automatic","prevState":"","currState":"RUNNING","stateChanged":false}`,
			query: `event=Windows+service+status&host=sense-01&servicestatus=RUNNING&servicename=QlikSenseEngineService&servicedisplayname=Qlik+Sense+Engine+Service&servicestarttype=Automatic&prevstate=&currstate=RUNNING&statechanged=false`,
		},
		"licence, as it is": {
			kind:  messages.LicenseStatus,
			json:  `{"event":"server license status","licenseExpired":false,"expiryDateStr":"2026-06-15","daysUntilExpiry":40}`,
			query: `event=server+license+status&licenseExpired=false&expiryDateStr=2026-06-15&daysUntilExpiry=40`,
		},
		"licence without a date": {
			kind: messages.LicenseStatus, change: func(a *messages.Alert) { a.License = messages.License{} },
			json:  `{"event":"server license status","licenseExpired":false,"expiryDateStr":null,"daysUntilExpiry":null}`,
			query: `event=server+license+status&licenseExpired=false&expiryDateStr=&daysUntilExpiry=`,
		},
		"licence about to expire": {
			kind:  messages.LicenseExpiring,
			json:  `{"event":"server license about to expire alert","licenseExpired":false,"expiryDateStr":"2026-06-15","daysUntilExpiry":40}`,
			query: `event=server+license+about+to+expire+alert&licenseExpired=false&expiryDateStr=2026-06-15&daysUntilExpiry=40`,
		},
		"licence has expired": {
			kind: messages.LicenseExpiring, change: func(a *messages.Alert) { a.License.Expired, a.License.DaysLeft = true, -3 },
			json:  `{"event":"server license has expired alert","licenseExpired":true,"expiryDateStr":"2026-06-15","daysUntilExpiry":-3}`,
			query: `event=server+license+has+expired+alert&licenseExpired=true&expiryDateStr=2026-06-15&daysUntilExpiry=-3`,
		},
		"task without an app": {
			kind:  messages.UserSyncTaskFailed,
			json:  `{"event":"Qlik Sense user sync task failed","hostName":"sense-01","user":"CORP\\anna","taskName":"Sync of AD","taskId":"` + destinationtest.TaskID + `","appName":"","appId":"","logTimeStamp":"2026-05-06 14:23:45,123","logLevel":"ERROR","executionId":"` + destinationtest.ExecutionID + `","logMessage":"The directory did not answer"}`,
			query: `event=Qlik+Sense+user+sync+task+failed&hostName=sense-01&user=CORP%5Canna&taskName=Sync+of+AD&taskId=` + destinationtest.TaskID + `&appName=&appId=&logTimeStamp=2026-05-06+14%3A23%3A45%2C123&logLevel=ERROR&executionId=` + destinationtest.ExecutionID + `&logMessage=The+directory+did+not+answer`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := messages.Notice{Alert: destinationtest.Complete(row.kind)}
			if row.change != nil {
				row.change(&n.Alert)
			}
			if diff := cmp.Diff(row.json, jsonOf(t, n)); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(row.query, mergeQuery("", messageOf(n))); diff != "" {
				t.Errorf("query (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMessage_everyKindHasAnEventTextAndTaskKindsTheSameFields(t *testing.T) {
	names := func(m message) (out []string) {
		for _, f := range m {
			out = append(out, f.name)
		}
		return out
	}
	want := names(messageOf(messages.Notice{Alert: destinationtest.Degraded(messages.ReloadTaskFailed)}))
	seen := map[string]messages.AlertKind{}
	for _, kind := range messages.AllKinds() {
		m := messageOf(messages.Notice{Alert: destinationtest.Degraded(kind)})
		event, _ := m[0].value.(string)
		if before, told := seen[event]; m[0].name != "event" || event == "" || told && kind != messages.ServiceStarted {
			t.Errorf("%s: want an event text of its own, got %q as %s has", kind, event, before)
		}
		seen[event] = kind
		if n := (messages.Alert{Kind: kind}); n.TaskEvent() {
			if diff := cmp.Diff(want, names(m)); diff != "" {
				t.Errorf("%s: fields (-want +got):\n%s", kind, diff)
			}
		}
	}
}

func TestMessage_ofATaskNamesTheAppThatTheTaskIsFor(t *testing.T) {
	got := jsonOf(t, messages.Notice{Alert: destinationtest.Complete(messages.DistributeTaskFailed)})
	if !strings.Contains(got, `"appName":"Sales","appId":"`+destinationtest.AppID+`"`) {
		t.Errorf("want the app of the task, got %s", got)
	}
}

func TestMessage_userFormDependsOnTheEvent(t *testing.T) {
	for kind, want := range map[messages.AlertKind]string{
		messages.ReloadTaskFailed:  `CORP\anna`,
		messages.ReloadTaskAborted: `CORP\\anna`,
	} {
		a := destinationtest.Complete(kind)
		a.Event.User = `CORP\\anna`
		if got := messageOf(messages.Notice{Alert: a})[2].value; got != want {
			t.Errorf("%s: user is %s, want %s", kind, got, want)
		}
	}
}

func TestMessage_ownerWithoutAddressHasAnEmptyOne(t *testing.T) {
	a := destinationtest.Complete(messages.ReloadTaskFailed)
	a.Owner.Emails = nil
	if text := jsonOf(t, messages.Notice{Alert: a}); !strings.Contains(text, `"appOwnerEmail":""`) {
		t.Errorf("want an empty address, got %s", text)
	}
}

func TestMessage_tellsWhatIsMissingHeldBackAndATestOnlyWhenThereIsAny(t *testing.T) {
	for _, kind := range messages.AllKinds() {
		n := messages.Notice{Alert: destinationtest.Complete(kind)}
		text := jsonOf(t, n)
		for _, mark := range []string{`"degraded"`, `"suppressedAlerts"`, `"test"`} {
			if strings.Contains(text, mark) {
				t.Errorf("%s: want no %s, got %s", kind, mark, text)
			}
		}
		n.SuppressedBefore, n.Alert.Test, n.Alert.Degraded = 4, true, []string{"app: silence", "owner: silence"}
		if text := jsonOf(t, n); !strings.HasSuffix(text, `"degraded":["app: silence","owner: silence"],"suppressedAlerts":4,"test":true}`) {
			t.Errorf("%s: want all marks, got %s", kind, text)
		}
		if query := mergeQuery("", messageOf(n)); !strings.HasSuffix(query, "&degraded=app%3A+silence&degraded=owner%3A+silence&suppressedAlerts=4&test=true") {
			t.Errorf("%s: want all marks, got %s", kind, query)
		}
	}
}

func TestGET_mergesWithTheExistingQuery(t *testing.T) {
	got := mergeQuery("b=2&event=theirs&%65vent=again&a=%zz&&c", message{{name: "event", value: "ours & more"}, {name: "x", value: nil}})
	if want := "b=2&a=%zz&c&event=ours+%26+more&x="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestGET_tellsLongNamesWholeWhereThereIsRoom(t *testing.T) {
	name, text := strings.Repeat("東京の売上", 12), strings.Repeat("é ", 250) // 540 and 1,750 bytes as encoded
	query, err := url.ParseQuery(mergeQuery("", message{{name: "taskName", value: name}, {name: "logMessage", value: text}}))
	if err != nil || query.Get("taskName") != name || query.Get("logMessage") != text {
		t.Errorf("want both whole, got %v, %v", query, err)
	}
}

func TestGET_isNeverTooLongForAServer(t *testing.T) {
	for _, kind := range messages.AllKinds() {
		n := messages.Notice{Alert: destinationtest.Overlong(kind)}
		for range 30 {
			n.Alert.Degraded = append(n.Alert.Degraded, n.Alert.Event.LogMessage+strings.Repeat("é", 500))
		}
		if got := mergeQuery("", messageOf(n)); len(got) > maxQuery {
			t.Errorf("%s: the query has %d bytes, want %d at most", kind, len(got), maxQuery)
		}
	}
}
