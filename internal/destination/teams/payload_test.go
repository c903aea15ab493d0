package teams

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"pgregory.net/rapid"

	"butler/internal/destination"
	"butler/internal/destination/chat"
	"butler/internal/destination/destinationtest"
	"butler/internal/template"
	"butler/messages"
)

// oldTemplate is written as operators write theirs: with escaped and raw
// expressions, lists that end in conditional commas, and comparisons.
const oldTemplate = `{"type": "message", "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": {
  "type": "AdaptiveCard", "version": "1.3", "body": [
    {{!-- the task, {{twice}} --}}
    {"type": "TextBlock", "text": "{{taskName}} | {{{taskName}}} | {{&taskName}}"},
    {"type": "FactSet", "facts": [
      {"title": "User", "value": "{{user}}"}, {"title": "Log", "value": "{{{logMessage}}}"}, {"title": "App", "value": "{{appName}} {{appStreamName.name}}"},
      {"title": "Tags", "value": "{{taskTags}}"},
      {"title": "Properties", "value": "{{#each taskCustomProperties}}{{name}}={{{value}}}{{#unless @last}}, {{/unless}}{{/each}}"}
    ]},
    {"type": "ActionSet", "actions": [
      {{#each genericUrls}}{{#if (eq id "runbook")}}{"type": "Action.OpenUrl", "title": "{{linkText}}", "url": "{{{url}}}"},{{/if}}{{/each}}
      {"type": "Action.OpenUrl", "title": "App", "url": "{{{appUrl}}}"}
    ]},
    {"type": "TextBlock", "fontType": "monospace", "text": "{{#each executionDetails}}{{timestampLocal1}} {{message}}\n{{/each}}"},
    {"type": "TextBlock", "fontType": "monospace", "text": "{{{executionDetailsConcatenated}}}"},
    {"type": "TextBlock", "fontType": "monospace", "text": "{{scriptLogHead}}"},
    {"type": "TextBlock", "fontType": "monospace", "text": "{{{scriptLogTail}}}"}
  ]}}]}`

// newTestTeams returns the destination for failed reloads with changed settings, and its log.
func newTestTeams(t *testing.T, change func(*Event, *destination.Deps)) (*teams, *observer.ObservedLogs) {
	t.Helper()
	return newTestTeamsOf(t, service(), change)
}

func newTestTeamsOf(t *testing.T, of chat.Service, change func(*Event, *destination.Deps)) (*teams, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.WarnLevel)
	deps := destinationtest.Deps(t)
	deps.Log = zap.New(core)
	e := Event{Settings: chat.Settings{
		Enable: true, WebhookURL: "https://example.com/x", MessageType: "formatted", BasicMsgTemplate: `failed: "{{taskName}}"`,
		HeadScriptLogLines: 20, TailScriptLogLines: 20,
	}}
	change(&e, &deps)
	room, err := chat.NewRoom(of, e.Settings, deps)
	if err != nil {
		t.Fatal(err)
	}
	return &teams{event: e, room: room}, logs
}

func asIs(*Event, *destination.Deps) {}

// withTemplate writes the operator's template.
func withTemplate(t *testing.T, source string) func(*Event, *destination.Deps) {
	t.Helper()
	return func(e *Event, d *destination.Deps) {
		e.TemplateFile = "mine.handlebars"
		if err := os.WriteFile(filepath.Join(d.BaseDir, e.TemplateFile), []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func noticeOf(a messages.Alert) messages.Notice {
	return destinationtest.NoticeOf(a, "teams/"+string(a.Kind), "")
}

// payload returns the message as Teams would decode it.
func payload(t *testing.T, to *teams, n messages.Notice) (message map[string]any, from string) {
	t.Helper()
	body, from, err := to.Compose(n)
	if err != nil {
		t.Fatal(err)
	}
	if len(body) > maxMessage {
		t.Errorf("want at most %d bytes, got %d", maxMessage, len(body))
	}
	if err := json.Unmarshal(body, &message); err != nil {
		t.Fatal(err)
	}
	return message, from
}

// elements returns the body of the card in a message.
func elements(t *testing.T, message map[string]any) []any {
	t.Helper()
	content := contentOf(message)
	if content == nil {
		t.Fatalf("no card in %v", message)
	}
	body, _ := content["body"].([]any)
	return body
}

func TestMessage_oldTemplateStaysValidWhateverTheData(t *testing.T) {
	to, logs := newTestTeams(t, withTemplate(t, oldTemplate))
	for _, sample := range destinationtest.AlertsOf(messages.ReloadTaskFailed) {
		t.Run(sample.Name, func(t *testing.T) {
			if _, from := payload(t, to, noticeOf(sample.Alert)); !strings.HasSuffix(from, "mine.handlebars") {
				t.Errorf("want the operator's template, got %s", from)
			}
		})
	}
	rapid.Check(t, func(rt *rapid.T) {
		a := destinationtest.Complete(messages.ReloadTaskFailed)
		texts := rapid.StringOfN(rapid.RuneFrom([]rune("ab \"\\\n\r\t{}[](),:<>&'`\u2028\u0000ö🚀")), 0, 4000, -1)
		for _, field := range []*string{&a.Event.TaskName, &a.Event.User, &a.Event.LogMessage, &a.Event.AppName, &a.App.StreamName} {
			*field = texts.Draw(rt, "text")
		}
		a.Task.Tags, a.ScriptLog.Tail = []string{texts.Draw(rt, "tag")}, []string{texts.Draw(rt, "line"), `C:\new\temp\`}
		a.Task.CustomProperties[0].Value = texts.Draw(rt, "value")
		a.Execution.Details[0].Message = texts.Draw(rt, "detail")
		if _, from := payload(t, to, noticeOf(a)); !strings.HasSuffix(from, "mine.handlebars") {
			rt.Errorf("want the operator's template, got %s", from)
		}
	})
	if logs.Len() > 0 {
		t.Errorf("want no warning, got %v", logs.All())
	}
}

// No entities, and a backslash stays one.
func TestMessage_textsArriveAsTheyAre(t *testing.T) {
	a := destinationtest.Complete(messages.ReloadTaskFailed)
	a.Event.LogMessage = "a < b & \"c\" = 'd'\tC:\\new\\temp\r\nnext"
	a.ScriptLog.Tail = []string{`Path "C:\new"`, "with\ttab"}
	to, _ := newTestTeams(t, withTemplate(t, `{"a": "{{logMessage}}", "b": "{{{logMessage}}}", "c": "{{scriptLogTail}}", "d": "{{executionDetailsConcatenated}}"}`))
	got, _ := payload(t, to, noticeOf(a))
	line := "a < b & \"c\" = 'd'\tC:\\new\\temp\nnext"
	want := map[string]any{
		"a": line, "b": line, "c": "Path \"C:\\new\"\nwith\ttab",
		"d": "2026-05-06T12:20:00.000Z\tChanging task state from Triggered to Started\n2026-05-06T12:23:45.000Z\tChanging task state from Started to FinishedFail\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMessage_templateThatFailsCostsTheLayoutOnly(t *testing.T) {
	for name, source := range map[string]string{
		"no JSON": "hello", "a list": "[]", "trailing comma": `{"body": [],}`, "syntax": "{{#if}", "helper": `{"a":"{{shout taskName}}"}`,
	} {
		t.Run(name, func(t *testing.T) {
			var bad *int
			to, logs := newTestTeams(t, func(e *Event, d *destination.Deps) {
				withTemplate(t, source)(e, d)
				bad = destinationtest.BadTemplates(d)
			})
			got, from := payload(t, to, noticeOf(destinationtest.Complete(messages.ReloadTaskFailed)))
			if len(elements(t, got)) == 0 || !strings.HasPrefix(from, "built-in failed-reload-qseow, because template ") || logs.Len() != 1 || *bad != 1 {
				t.Errorf("got %s, %d warnings, %d counted", from, logs.Len(), *bad)
			}
		})
	}
}

func TestMessage_withoutAnyTemplateSaysWhatItCan(t *testing.T) {
	bare := service()
	bare.Templates = nil
	to, _ := newTestTeamsOf(t, bare, asIs)
	for _, kind := range messages.AllKinds() {
		got, _ := payload(t, to, noticeOf(destinationtest.Overlong(kind)))
		if len(elements(t, got)) != 2 {
			t.Errorf("%s: want a heading and the text, got %v", kind, got)
		}
	}
}

func TestMessage_templateThatWritesTooMuchIsReplaced(t *testing.T) {
	var bad *int
	to, logs := newTestTeams(t, func(e *Event, d *destination.Deps) {
		withTemplate(t, `{"text": "`+strings.Repeat("x", 30_000)+`"}`)(e, d)
		bad = destinationtest.BadTemplates(d)
	})
	got, from := payload(t, to, noticeOf(destinationtest.Complete(messages.ReloadTaskFailed)))
	if len(elements(t, got)) == 0 || from != "built-in failed-reload-qseow" || logs.Len() != 1 || *bad != 1 {
		t.Errorf("want the built-in template, a warning and a count, got %s, %d warnings, %d counted", from, logs.Len(), *bad)
	}
	to, _ = newTestTeams(t, func(_ *Event, d *destination.Deps) { // so do the operator's links
		d.Links.Generic = []template.GenericURL{{LinkText: "x", URL: "https://example.com/" + strings.Repeat("x", 20_000)}}
		for range 3 {
			d.Links.Generic = append(d.Links.Generic, d.Links.Generic...)
		}
	})
	if got, _ = payload(t, to, noticeOf(destinationtest.Complete(messages.ReloadTaskFailed))); len(elements(t, got)) == 0 {
		t.Error("want a card")
	}
}

func TestMessage_shortensTheLogFirst(t *testing.T) {
	a := destinationtest.Complete(messages.ReloadTaskFailed)
	row := strings.Repeat("日", 150)
	a.ScriptLog.Head, a.ScriptLog.Tail = nil, nil
	for i := range 60 {
		a.ScriptLog.Head = append(a.ScriptLog.Head, fmt.Sprintf("head %02d %s", i, row))
		a.ScriptLog.Tail = append(a.ScriptLog.Tail, fmt.Sprintf("tail %02d %s", i, row))
	}
	a.Event.LogMessage = strings.Repeat("m", 1500)
	to, _ := newTestTeams(t, asIs)
	body, _, err := to.Compose(noticeOf(a))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		a.Event.LogMessage: true, "head 00": true, "head 19": false, "tail 40": false, "tail 59": true, template.Marker: true,
	} {
		if got := strings.Contains(string(body), text); got != want {
			t.Errorf("want %.20q shown %v, got %v", text, want, got)
		}
	}
}

func TestMessage_keepsTheLastStepsOfALongHistory(t *testing.T) {
	a := destinationtest.Complete(messages.ReloadTaskFailed)
	a.Execution.Details = nil
	for i := range 2000 {
		a.Execution.Details = append(a.Execution.Details, messages.ExecutionDetail{Message: fmt.Sprintf("step %04d", i)})
	}
	to, _ := newTestTeams(t, withTemplate(t, `{"steps": [{{#each executionDetails}}"{{message}}",{{/each}}""]}`))
	got, _ := payload(t, to, noticeOf(a))
	steps, _ := got["steps"].([]any)
	if n := len(steps); n < 4 || steps[n-2] != "step 1999" || steps[0] == "step 0000" {
		t.Errorf("want the last steps, got %v", steps)
	}
}

func TestMessage_keepsLinksWhole(t *testing.T) {
	a := destinationtest.Overlong(messages.ReloadTaskFailed)
	link := "https://wiki.example.com/" + strings.Repeat("x", 400)
	to, _ := newTestTeams(t, func(_ *Event, d *destination.Deps) {
		d.Links.Generic = []template.GenericURL{{ID: "a", LinkText: "a", URL: link}}
	})
	body, _, err := to.Compose(noticeOf(a))
	if err != nil || !strings.Contains(string(body), `"`+link+`"`) {
		t.Errorf("want the whole link, got %s, %v", body, err)
	}
}

func TestMessage_dataMakesNoLinks(t *testing.T) {
	a := destinationtest.Complete(messages.ReloadTaskFailed)
	a.Event.TaskName = "[harmless](https://evil.example.com)"
	a.Event.HostName = "https://n [harmless](https://evil.example.com)"
	a.Owner.Name = "https://n[harmless](https://evil.example.com)"
	a.Degraded = []string{"task: the server said [harmless](https://evil.example.com)"}
	bare := plainCard(template.Fields(noticeOf(a), template.FieldOptions{}))
	if heading := elements(t, bare)[0].(object); strings.Contains(text(heading["text"]), "](") {
		t.Errorf("without a template: the name of a task becomes a link: %s", heading["text"])
	}
	for _, messageType := range []string{"basic", "formatted"} {
		to, _ := newTestTeams(t, func(e *Event, _ *destination.Deps) { e.MessageType = messageType })
		if body, _, err := to.Compose(noticeOf(a)); err != nil || strings.Contains(string(body), "](") {
			t.Errorf("%s: the name of a task becomes a link: %s, %v", messageType, body, err)
		}
	}
}

func TestMessage_tellsWhatEveryReaderMustKnow(t *testing.T) {
	const card = `{"type": "AdaptiveCard", "version": "1.3", "body": [%s]}`
	for name, source := range map[string]string{
		"message":        `{"type": "message", "attachments": [{"content": ` + fmt.Sprintf(card, `{"type": "TextBlock", "text": "hi"}`) + `}]}`,
		"card alone":     fmt.Sprintf(card, `{"type": "TextBlock", "text": "hi"}`),
		"empty card":     fmt.Sprintf(card, ""),
		"connector card": `{"@type": "MessageCard", "text": "hi"}`,
		"other card":     `{"type": "message", "attachments": [{"content": {"type": "thumbnail"}}]}`,
		"no card":        `{"type": "message", "attachments": ["x"]}`,
		"anything":       `{}`,
		"basic":          "",
		"connector":      "",
	} {
		t.Run(name, func(t *testing.T) {
			change := withTemplate(t, source)
			if source == "" {
				change = func(e *Event, _ *destination.Deps) {
					e.MessageType = "basic"
					e.CardType = name
				}
			}
			to, _ := newTestTeams(t, change)
			n := noticeOf(destinationtest.Degraded(messages.ReloadTaskFailed))
			n.Alert.Test, n.SuppressedBefore = true, 3
			body, from, err := to.Compose(n)
			if err != nil || strings.HasPrefix(from, "built-in") {
				t.Fatal(from, err)
			}
			for _, want := range []string{"This is a test alert", "Details are missing", "3 earlier alerts"} {
				if !strings.Contains(string(body), want) {
					t.Errorf("want %q in %s", want, body)
				}
			}
		})
	}
}

func TestMessage_whatLeadsNowhereIsLeftOut(t *testing.T) {
	linkless := func(change func(*Event, *destination.Deps)) func(*Event, *destination.Deps) {
		return func(e *Event, d *destination.Deps) {
			change(e, d)
			d.Links = template.Links{}
		}
	}
	to, _ := newTestTeams(t, linkless(withTemplate(t, `{"type": "AdaptiveCard", "body": [
		{"type": "Container", "items": [{"type": "ActionSet", "actions": [{"type": "Action.OpenUrl", "url": "{{appUrl}}"}]}, {"type": "TextBlock", "text": "x"}]},
		{"type": "Image", "url": "{{appThumbnail}}"},
		{"type": "Image", "url": "https://example.com/x.png", "selectAction": {"type": "Action.OpenUrl", "url": "{{appUrl}}"}},
		{"type": "ActionSet", "actions": [{"type": "Action.OpenUrl", "url": "{{appUrl}}"}, {"type": "Action.OpenUrl", "url": "https://example.com"}]}
	], "actions": [{"type": "Action.OpenUrl"}]}`)))
	got, _ := payload(t, to, noticeOf(destinationtest.Complete(messages.ReloadTaskFailed)))
	want := map[string]any{"type": "AdaptiveCard", "actions": []any{}, "body": []any{
		map[string]any{"type": "Container", "items": []any{map[string]any{"type": "TextBlock", "text": "x"}}},
		map[string]any{"type": "Image", "url": "https://example.com/x.png"},
		map[string]any{"type": "ActionSet", "actions": []any{map[string]any{"type": "Action.OpenUrl", "url": "https://example.com"}}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBasic_lineThatIsEmptyIsReplaced(t *testing.T) {
	for _, line := range []string{"{{nothing}}", "{{shout taskName}}"} {
		to, _ := newTestTeams(t, func(e *Event, _ *destination.Deps) { e.MessageType, e.BasicMsgTemplate = "Basic", line })
		got, _ := payload(t, to, noticeOf(destinationtest.Complete(messages.ServiceStopped)))
		first, _ := elements(t, got)[0].(map[string]any)
		if want := "Windows service stopped: Qlik Sense Engine Service on sense-01"; first["text"] != want {
			t.Errorf("want %q, got %q", want, first["text"])
		}
	}
}

func TestTemplateFiles_findsTheShippedNameOfOldConfigurations(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "failed-reload-qscloud.handlebars")
	if err := os.WriteFile(path, []byte(`{"text": "mine"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	to, logs := newTestTeams(t, func(e *Event, _ *destination.Deps) {
		e.TemplateFile = filepath.Join(dir, "failed-reload-qscloud-workflow.handlebars")
	})
	if got, from := payload(t, to, noticeOf(destinationtest.Complete(messages.CloudReloadFailed))); got["text"] != "mine" || from != path || logs.Len() > 0 {
		t.Errorf("got %v from %s", got, from)
	}
}

func TestTemplates_everyKindHasOne(t *testing.T) {
	to, logs := newTestTeams(t, asIs)
	for _, kind := range messages.AllKinds() {
		if _, from := payload(t, to, noticeOf(destinationtest.Overlong(kind))); from != "built-in "+chat.Builtin(kind) {
			t.Errorf("%s: want the built-in template %s, got %s", kind, chat.Builtin(kind), from)
		}
	}
	if logs.Len() > 0 {
		t.Errorf("want no warning, got %v", logs.All())
	}
}
