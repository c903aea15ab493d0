package newrelic

import (
	"fmt"
	"strings"
	"testing"

	"butler/internal/destination/destinationtest"
	"butler/messages"
)

// compose returns what a sender with the given settings would send.
func compose(t *testing.T, s Settings, n messages.Notice) request {
	t.Helper()
	body, err := (&sender{settings: s, version: "1.0.0"}).body(n)
	if err != nil {
		t.Fatal(err)
	}
	if len(body) > maxBody {
		t.Errorf("the body has %d bytes", len(body))
	}
	got := sent(t, body)
	wantWithinLimits(t, got.attributes)
	return got
}

func TestTypes_everyKindHasOne(t *testing.T) {
	for _, kind := range messages.AllKinds() {
		if types[kind] == "" {
			t.Errorf("%s has none", kind)
		}
	}
}

func TestAttributes_theAlertWinsOverTheOwnOverTheShared(t *testing.T) {
	shared := Shared{}
	shared.Attribute.Static = []Pair{{"service", "shared"}, {"team", "bi"}, {"qs_taskName", "mine"}}
	s := shared.settings(asEvent, Attribute{Static: []Pair{{"service", "own"}, {"eventType", "mine"}}})
	got := compose(t, s, messages.Notice{Alert: destinationtest.Complete(messages.ReloadTaskAborted)}).attributes
	for name, want := range map[string]string{
		"service": "own", "team": "bi", "qs_taskName": "Reload of Sales", "eventType": "qs_reloadTaskAbortedEvent",
		"qs_user": "CORP/anna", "qs_taskCustomProperty_Department": "Finance", "qs_appCustomProperty_Tier": "1",
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %s", name, got[name], want)
		}
	}
}

func TestAttributes_severalValuesOfAPropertyStandTogether(t *testing.T) {
	a := destinationtest.Complete(messages.ReloadTaskFailed)
	a.Task.CustomProperties = []messages.Property{{Name: "Team", Value: "BI"}, {Name: "Tier", Value: "1"}, {Name: "Team", Value: "IT"}}
	got := compose(t, Settings{form: asEvent}, messages.Notice{Alert: a}).attributes
	if got["qs_taskCustomProperty_Team"] != "BI, IT" || got["qs_taskCustomProperty_Tier"] != "1" {
		t.Errorf("got %v and %v", got["qs_taskCustomProperty_Team"], got["qs_taskCustomProperty_Tier"])
	}
}

func TestAttributes_tagsAreSentBySwitch(t *testing.T) {
	n := messages.Notice{Alert: destinationtest.Complete(messages.ReloadTaskFailed)}
	for _, row := range []struct {
		dynamic   Dynamic
		task, app any
	}{
		{Dynamic{}, nil, nil},
		{Dynamic{UseTaskTags: true}, "true", nil},
		{Dynamic{UseAppTags: true}, nil, "true"},
	} {
		got := compose(t, Settings{form: asEvent, Attribute: Attribute{Dynamic: row.dynamic}}, n).attributes
		if got["qs_taskTag_Finance team"] != row.task || got["qs_appTag_Core app"] != row.app {
			t.Errorf("%+v: got %v", row.dynamic, got)
		}
	}
}

func TestAttributes_tellTestsAndWhatWasHeldBack(t *testing.T) {
	n := messages.Notice{Alert: destinationtest.Complete(messages.ServiceStopped), SuppressedBefore: 4}
	n.Alert.Test = true
	got := compose(t, Settings{form: asEvent}, n).attributes
	if got["butler_test"] != "true" || got["butler_suppressedAlerts"] != 4.0 {
		t.Errorf("got %v", got)
	}
}

func TestAttributes_theMostImportantAreKeptWhenThereAreTooMany(t *testing.T) {
	a := destinationtest.Complete(messages.ReloadTaskFailed)
	for i := range 400 {
		a.Task.Tags = append(a.Task.Tags, fmt.Sprint("tag", i))
	}
	s := Settings{form: asLog, Attribute: Attribute{Static: []Pair{{"service", "butler"}}, Dynamic: Dynamic{UseTaskTags: true}}}
	got := compose(t, s, messages.Notice{Alert: a}).attributes
	if len(got) != maxAttributes || got["service"] != "butler" || got["qs_executionStatusNum"] != 8.0 || got["qs_logMessage"] == nil {
		t.Errorf("got %d attributes: %v", len(got), got)
	}
}

func TestLog_hasBothSpellingsOfTheStatus(t *testing.T) {
	got := compose(t, Settings{form: asLog}, messages.Notice{Alert: destinationtest.Complete(messages.ReloadTaskFailed)}).attributes
	if got["qs_executionStatusText"] != "FinishedFail" || got["qs_exeuctionStatusText"] != "FinishedFail" {
		t.Errorf("got %v and %v", got["qs_executionStatusText"], got["qs_exeuctionStatusText"])
	}
}

func TestLog_messageIsStepsThenTheEndOfTheScript(t *testing.T) {
	got := compose(t, Settings{form: asLog, TailScriptLogLines: 2}, messages.Notice{Alert: destinationtest.Complete(messages.ReloadTaskFailed)})
	want := "2026-05-06T12:20:00.000Z\tChanging task state from Triggered to Started\n" +
		"2026-05-06T12:23:45.000Z\tChanging task state from Started to FinishedFail\n" +
		"\r\n-------------------------------\r\n\r\n" +
		"2026-05-06 14:20:58      LOAD sales, line 59\r\n2026-05-06 14:20:59      LOAD sales, line 60"
	if got.message != want {
		t.Errorf("got  %q\nwant %q", got.message, want)
	}
	if got.attributes["qs_scriptLogTailCount"] != 2.0 {
		t.Errorf("qs_scriptLogTailCount is %v", got.attributes["qs_scriptLogTailCount"])
	}
}

func TestLog_saysThatThereIsNoScriptLog(t *testing.T) {
	n := messages.Notice{Alert: destinationtest.Degraded(messages.ReloadTaskAborted)}
	got := compose(t, Settings{form: asLog, TailScriptLogLines: 20}, n)
	if got.message != noScriptLog {
		t.Errorf("got %q", got.message)
	}
	for _, name := range []string{"qs_executionStatusNum", "qs_scriptLogSize", "qs_scriptLogTailCount"} {
		if value, there := got.attributes[name]; there {
			t.Errorf("want no %s, got %v", name, value)
		}
	}
}

func TestLog_messageOfWhatHasNoScript(t *testing.T) {
	paused := destinationtest.Complete(messages.ServiceStatus)
	paused.Service.Status = "PAUSED"
	bare := destinationtest.Degraded(messages.PreloadTaskFailed)
	bare.Event.LogMessage = ""
	for want, a := range map[string]messages.Alert{
		`Windows service "Qlik Sense Engine Service" on host "sense-01" is STOPPED.`:           destinationtest.Complete(messages.ServiceStopped),
		`Windows service "Qlik Sense Engine Service" on host "sense-01" is in state "PAUSED".`: paused,
		"Qlik Sense server licence: valid to 2026-06-15, 40 days left.":                        destinationtest.Complete(messages.LicenseExpiring),
		"The directory did not answer":                                                         destinationtest.Degraded(messages.UserSyncTaskFailed),
		"Preload failed: Warm Sales":                                                           bare,
	} {
		if got := compose(t, Settings{form: asLog}, messages.Notice{Alert: a}).message; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestLog_theOldestLinesGoWhenItIsTooLong(t *testing.T) {
	a := destinationtest.Complete(messages.ReloadTaskFailed)
	a.ScriptLog.Tail = nil
	for i := range 20_000 {
		a.ScriptLog.Tail = append(a.ScriptLog.Tail, fmt.Sprintf("%05d \"quoted\"\t日本語 %s", i, strings.Repeat("\x01", 20)))
	}
	got := compose(t, Settings{form: asLog, TailScriptLogLines: 20_000}, messages.Notice{Alert: a})
	if !strings.Contains(got.message, "19999 ") || strings.Contains(got.message, "00000 ") || !strings.Contains(got.message, "Triggered to Started") {
		t.Errorf("got %.300q ... %q", got.message, got.message[len(got.message)-100:])
	}
	if len(got.message) < maxBody/6 {
		t.Errorf("only %d bytes are left", len(got.message))
	}
}

func TestBody_valuesGetShorterWhenTheAttributesAloneAreTooMuch(t *testing.T) {
	a := destinationtest.Complete(messages.ReloadTaskFailed)
	for i := range 300 {
		a.Task.CustomProperties = append(a.Task.CustomProperties, messages.Property{
			Name: fmt.Sprint(i, strings.Repeat("\x02", 300)), Value: strings.Repeat("\x01", 10_000),
		})
	}
	for _, f := range []form{asEvent, asLog} {
		got := compose(t, Settings{form: f, TailScriptLogLines: 10}, messages.Notice{Alert: a})
		if len(got.attributes) != maxAttributes || f == asLog && !strings.Contains(got.message, "line 60") {
			t.Errorf("%s: got %d attributes and the message %q", f, len(got.attributes), got.message)
		}
	}
}
