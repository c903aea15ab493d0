package udp

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"butler/messages"
)

var lenient = ParseOptions{RecoverSemicolons: true}

func TestParse_recoversSemicolonsInNamesAndMessage(t *testing.T) {
	for name, change := range map[string]map[int]string{
		"in the task name":                {3: "Task; with semicolon"},
		"in the task name, no space":      {3: "a;b;c"},
		"in the message":                  {11: "first; second;third;"},
		"in task name and message":        {3: "a;b", 11: "c;d"},
		"in the app name, with a space":   {4: "Sales; Nordic"},
		"in both names":                   {3: "x;y", 4: "Sales; Nordic; EU"},
		"without an app":                  {3: "a;b", 4: "", 7: ""},
		"with null for the app":           {3: "a;b", 4: "(null)", 7: "(null)"},
		"task name of semicolons":         {3: ";;;"},
		"other timestamp form":            {3: "a;b", 8: "2025-10-08T10:30:00.000Z"},
		"execution ID that is no GUID":    {3: "a;b", 10: "exec"},
		"without an execution ID":         {3: "a;b", 10: ""},
		"message quotes a GUID and level": {11: "see " + taskID + ";ERROR; or not"},
	} {
		t.Run(name, func(t *testing.T) {
			payload := scheduler("/scheduler-task-failed/", change)
			if got := refuse(t, payload, ParseOptions{}); got.Reason != ReasonFieldCount {
				t.Errorf("off by default, but the reason is %v", got.Reason)
			}
			got := accept(t, payload, lenient)
			// The same event, with a semicolon that does not separate.
			stand := map[int]string{}
			for position, value := range change {
				stand[position] = strings.ReplaceAll(value, ";", "\u037e")
			}
			want := accept(t, scheduler("/scheduler-task-failed/", stand), ParseOptions{})
			for _, text := range []*string{&want.TaskName, &want.AppName, &want.LogMessage} {
				*text = strings.ReplaceAll(*text, "\u037e", ";")
			}
			if got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestParse_recoversNothingItWouldHaveToGuess(t *testing.T) {
	anchor := ";" + taskID + ";" + appID + ";" + stamp + ";WARN;"
	for name, payload := range map[string]string{
		"two candidates":         string(scheduler("/scheduler-task-failed/", map[int]string{11: "a" + anchor + "b;c"})),
		"timestamp has no form":  string(scheduler("/scheduler-task-failed/", map[int]string{3: "a;b", 8: "yesterday"})),
		"date that never ends":   string(scheduler("/scheduler-task-failed/", map[int]string{3: "a;b", 8: stamp + " or so"})),
		"level is no level":      string(scheduler("/scheduler-task-failed/", map[int]string{3: "a;b", 9: "LOUD"})),
		"task ID is no GUID":     string(scheduler("/scheduler-task-failed/", map[int]string{3: "a;b", 6: "x"})),
		"app ID is no GUID":      string(scheduler("/scheduler-task-failed/", map[int]string{3: "a;b", 7: "x"})),
		"too many semicolons":    string(scheduler("/scheduler-task-failed/", map[int]string{3: strings.Repeat("a;", 70)})),
		"too few fields":         "/scheduler-task-failed/;h;t" + anchor + "e;m",
		"user is missing":        "/scheduler-task-failed/;h;t;a" + anchor + "e;m;n;o",
		"anchor without message": "/scheduler-task-failed/;h;t;a;b;c;d;u" + strings.TrimSuffix(anchor, ";"),
		"engine message":         "/engine-reload-failed/;h;" + appID + ";s;d;u;" + stamp + ";ERROR;a;b;c;d",
	} {
		t.Run(name, func(t *testing.T) {
			if got := refuse(t, []byte(payload), lenient); got.Reason != ReasonFieldCount {
				t.Errorf("refused as %v, want field_count", got.Reason)
			}
		})
	}
}

func TestParse_recoversDistributeOnlyWhenTheLayoutFails(t *testing.T) {
	plain := scheduler("/scheduler-distribute/", map[int]string{11: "Distribution completed;extra1;extra2"})
	if got := accept(t, plain, lenient); got.LogMessage != "Distribution completed" {
		t.Errorf("optional fields became part of the message: %q", got.LogMessage)
	}
	shifted := scheduler("/scheduler-distribute/", map[int]string{3: "a;b"})
	if got := refuse(t, shifted, ParseOptions{}); got.Reason != ReasonBadTaskID {
		t.Errorf("without recovery it is refused as %v", got.Reason)
	}
	if got := accept(t, shifted, lenient); got.TaskName != "a;b" {
		t.Errorf("task name is %q, want a;b", got.TaskName)
	}
}

// TestParse_recoversWhatCompositionMeant: whatever names and message are, as long
// as the app name does not hide its semicolons, the event is found again.
func TestParse_recoversWhatCompositionMeant(t *testing.T) {
	word := rapid.StringMatching(`[A-Za-z0-9åäö(][A-Za-z0-9 åäö.()-]{0,8}`)
	rapid.Check(t, func(t *rapid.T) {
		joined := func(separator string, most int, label string) string {
			return strings.Join(rapid.SliceOfN(word, 1, most).Draw(t, label), separator)
		}
		want := messages.TaskEvent{
			TaskName:   joined(rapid.SampledFrom([]string{";", "; "}).Draw(t, "separator"), 6, "task"),
			AppName:    joined("; ", 4, "app"),
			LogMessage: joined(";", 12, "message"),
		}
		app := rapid.SampledFrom([]string{appID, appID, "", "-"}).Draw(t, "app ID")
		payload := scheduler(rapid.SampledFrom(Identifiers()[:7]).Draw(t, "type"),
			map[int]string{3: want.TaskName, 4: want.AppName, 7: app, 11: want.LogMessage})
		got, rejection := Parse(payload, lenient)
		if rejection != nil {
			t.Fatalf("refused: %v", rejection)
		}
		if got.TaskName != want.TaskName || got.AppName != want.AppName || got.LogMessage != want.LogMessage {
			t.Fatalf("got  %q %q %q\nwant %q %q %q", got.TaskName, got.AppName, got.LogMessage, want.TaskName, want.AppName, want.LogMessage)
		}
		if got.TaskID != taskID || got.ExecutionID != execID || got.User != `LAB\jdoe` {
			t.Fatalf("the anchor slipped: %+v", got)
		}
	})
}
