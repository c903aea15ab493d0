package udp

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"butler/messages"
)

func composed() messages.TaskEvent {
	return messages.TaskEvent{
		Family: messages.FamilyFailed, MessageType: "/scheduler-task-failed/", HostName: "sense-server-01",
		TaskName: "Daily Sales Reload", AppName: "Sales Dashboard", User: `LAB\jdoe`, TaskID: taskID, AppID: appID,
		LogTimestamp: stamp, LogLevel: "WARN", ExecutionID: execID, LogMessage: "Max retries reached",
	}
}

func TestCompose_writesTheDocumentedForm(t *testing.T) {
	got, err := Compose(composed())
	if err != nil {
		t.Fatal(err)
	}
	if want := scheduler("/scheduler-task-failed/", nil); string(got) != string(want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestCompose_isTheReverseOfParse(t *testing.T) {
	text := rapid.StringMatching(`[^;\x00-\x1f\x7f-]{0,40}`)
	guid := rapid.StringMatching(`[0-9a-fA-F]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	rapid.Check(t, func(t *rapid.T) {
		want := messages.TaskEvent{
			MessageType: rapid.SampledFrom(Identifiers()).Draw(t, "type"),
			HostName:    text.Draw(t, "host"), AppID: guid.Draw(t, "app ID"),
			User:         strings.ReplaceAll(text.Draw(t, "directory"), `\`, "") + `\` + text.Draw(t, "user"),
			LogTimestamp: text.Draw(t, "timestamp"), LogLevel: text.Draw(t, "level"), LogMessage: text.Draw(t, "message"),
		}
		want.Family = messageTypes[want.MessageType].family
		if want.Family == messages.FamilyEngine {
			want.SessionID = text.Draw(t, "session")
		} else {
			want.TaskName, want.AppName = text.Draw(t, "task"), text.Draw(t, "app")
			want.TaskID, want.ExecutionID = guid.Draw(t, "task ID"), guid.Draw(t, "execution ID")
		}
		payload, err := Compose(want)
		if err != nil {
			t.Fatal(err)
		}
		if got, rejection := Parse(payload, ParseOptions{}); rejection != nil || got != want {
			t.Fatalf("%q is read as\n%+v, %v, want\n%+v", payload, got, rejection, want)
		}
	})
}

func TestCompose_refusesWhatWouldNotArrive(t *testing.T) {
	for name, row := range map[string]struct {
		change func(*messages.TaskEvent)
		want   string
	}{
		"unknown type":        {func(e *messages.TaskEvent) { e.MessageType = "/other/" }, "message type"},
		"semicolon":           {func(e *messages.TaskEvent) { e.TaskName = "a;b" }, "task name"},
		"line break":          {func(e *messages.TaskEvent) { e.LogMessage = "a\nb" }, "message"},
		"501 characters":      {func(e *messages.TaskEvent) { e.HostName = strings.Repeat("h", 501) }, "host name"},
		"invalid UTF-8":       {func(e *messages.TaskEvent) { e.User = "\xff" }, "user"},
		"no task ID":          {func(e *messages.TaskEvent) { e.TaskID = "" }, "task ID"},
		"app ID is no GUID":   {func(e *messages.TaskEvent) { e.AppID = "app" }, "app ID"},
		"engine, bad app ID":  {func(e *messages.TaskEvent) { e.MessageType, e.AppID = "/engine-reload-failed/", "app" }, "app ID"},
		"engine, semicolon":   {func(e *messages.TaskEvent) { e.MessageType, e.SessionID = "/engine-reload-failed/", ";" }, "session ID"},
		"semicolon in the ID": {func(e *messages.TaskEvent) { e.ExecutionID = "a;b" }, "execution ID"},
	} {
		t.Run(name, func(t *testing.T) {
			event := composed()
			row.change(&event)
			payload, err := Compose(event)
			if err == nil {
				t.Fatalf("gives %q", payload)
			}
			if !strings.HasPrefix(err.Error(), row.want) {
				t.Errorf("error %q does not begin with %q", err, row.want)
			}
		})
	}
}
