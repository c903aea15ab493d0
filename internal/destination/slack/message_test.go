package slack

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
	"pgregory.net/rapid"

	"butler/internal/destination"
	"butler/internal/destination/chat"
	"butler/internal/destination/destinationtest"
	"butler/messages"
)

// newTestSlack returns the destination for failed reloads with changed settings, and its log.
func newTestSlack(t *testing.T, change func(*Event, *destination.Deps)) (*slack, *observer.ObservedLogs) {
	t.Helper()
	return newTestSlackOf(t, service(), change)
}

func newTestSlackOf(t *testing.T, of chat.Service, change func(*Event, *destination.Deps)) (*slack, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zap.WarnLevel)
	deps := destinationtest.Deps(t)
	deps.Log = zap.New(core)
	e := Event{Channel: "ops", FromUser: "Qlik Sense", IconEmoji: ":ghost:", Settings: chat.Settings{
		Enable: true, WebhookURL: "https://hooks.example.com/services/x",
		MessageType: "formatted", BasicMsgTemplate: `failed: "{{taskName}}"`, HeadScriptLogLines: 2, TailScriptLogLines: 2,
	}}
	change(&e, &deps)
	room, err := chat.NewRoom(of, e.Settings, deps)
	if err != nil {
		t.Fatal(err)
	}
	return &slack{event: e, room: room}, logs
}

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
	return destinationtest.NoticeOf(a, "slack/reload_task_failed", "")
}

// payload returns the message as Slack would decode it.
func payload(t *testing.T, s *slack, n messages.Notice) (message map[string]any, from string) {
	t.Helper()
	raw, from, err := s.Compose(n)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &message); err != nil {
		t.Fatal(err)
	}
	return message, from
}

func TestMessage_keysOfTheTemplateWin(t *testing.T) {
	s, logs := newTestSlack(t, withTemplate(t, `{"channel": "other", "text": "{{{taskName}}}"}`))
	got, from := payload(t, s, noticeOf(destinationtest.Complete(messages.ReloadTaskFailed)))
	want := map[string]any{"channel": "other", "text": "Reload of Sales", "username": "Qlik Sense", "icon_emoji": ":ghost:"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.HasSuffix(from, "mine.handlebars") || logs.Len() > 0 {
		t.Errorf("got %s, %d warnings", from, logs.Len())
	}
}

func TestMessage_templateThatFailsCostsTheLayoutOnly(t *testing.T) {
	for name, source := range map[string]string{
		"no JSON": "hello", "a list": "[]", "trailing comma": `{"blocks": [],}`, "syntax": "{{#if}", "helper": `{"a":"{{shout taskName}}"}`,
	} {
		t.Run(name, func(t *testing.T) {
			var bad *int
			s, logs := newTestSlack(t, func(e *Event, d *destination.Deps) {
				withTemplate(t, source)(e, d)
				bad = destinationtest.BadTemplates(d)
			})
			got, from := payload(t, s, noticeOf(destinationtest.Complete(messages.ReloadTaskFailed)))
			wantFits(t, got)
			if !strings.HasPrefix(from, "built-in failed-reload-qseow, because template ") || logs.Len() != 1 || *bad != 1 {
				t.Errorf("got %s, %d warnings, %d counted", from, logs.Len(), *bad)
			}
		})
	}
}

func TestMessage_withoutAnyTemplateSaysWhatItCan(t *testing.T) {
	bare := service()
	bare.Templates = nil
	s, _ := newTestSlackOf(t, bare, func(*Event, *destination.Deps) {})
	got, _ := payload(t, s, noticeOf(destinationtest.Complete(messages.ReloadTaskFailed)))
	wantFits(t, got)
	raw, err := json.Marshal(got)
	if err != nil || !strings.Contains(string(raw), destinationtest.TaskID) {
		t.Errorf("want the task ID, got %s, %v", raw, err)
	}
}

func TestMessage_tellsWhatEveryReaderMustKnow(t *testing.T) {
	n := noticeOf(destinationtest.Degraded(messages.ReloadTaskFailed))
	n.Alert.Test, n.SuppressedBefore = true, 3
	for name, source := range map[string]string{
		"blocks": `{"blocks": [{"type": "divider"}]}`, "no blocks": `{"blocks": []}`, "text": `{"text": "hi"}`,
		"attachments": `{"attachments": [{"blocks": [{"type": "divider"}]}]}`, "nothing": `{}`,
	} {
		s, _ := newTestSlack(t, withTemplate(t, source))
		got, _ := payload(t, s, n)
		raw, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"This is a test alert", "Details are missing", "3 earlier alerts"} {
			if !strings.Contains(string(raw), want) {
				t.Errorf("%s: want %q in %s", name, want, raw)
			}
		}
	}
}

// Slack refuses a message without content: the alert would be lost.
func TestMessage_templateThatShowsNothingCostsTheLayoutOnly(t *testing.T) {
	for _, source := range []string{`{}`, `{"blocks": []}`, `{"channel": "other", "text": " ", "attachments": []}`} {
		var bad *int
		s, _ := newTestSlack(t, func(e *Event, d *destination.Deps) {
			withTemplate(t, source)(e, d)
			bad = destinationtest.BadTemplates(d)
		})
		got, from := payload(t, s, noticeOf(destinationtest.Complete(messages.ReloadTaskFailed)))
		wantFits(t, got)
		if raw, err := json.Marshal(got); err != nil || !strings.Contains(string(raw), destinationtest.TaskID) || !strings.HasSuffix(from, "shows nothing, so plain text") {
			t.Errorf("%s: want what can be said without a template, got %s from %s, %v", source, raw, from, err)
		}
		if *bad != 1 {
			t.Errorf("%s: want a bad template counted, got %d", source, *bad)
		}
	}
}

func TestMessage_keepsLineBreaksAndQuotesOfTheLog(t *testing.T) {
	a := destinationtest.Complete(messages.ReloadTaskFailed)
	a.ScriptLog.Tail = []string{`Path "C:\new\temp"`, "a < b & c ``` end"}
	s, _ := newTestSlack(t, withTemplate(t, `{"blocks":[{"type":"section","text":{"type":"mrkdwn","text":"{{scriptLogTail}}"}}]}`))
	got, _ := payload(t, s, noticeOf(a))
	text := got["blocks"].([]any)[0].(map[string]any)["text"].(map[string]any)["text"]
	if want := "Path \"C:\\new\\temp\"\na &lt; b &amp; c `\u200b`` end"; text != want {
		t.Errorf("want %q, got %q", want, text)
	}
}

func TestMessage_linksOfATemplateLeadWhereTheyShould(t *testing.T) {
	const address = "https://wiki.example.com/?page=sense&lang=en"
	s, _ := newTestSlack(t, func(e *Event, d *destination.Deps) {
		withTemplate(t, `{"blocks": [
			{"type": "section", "text": {"type": "mrkdwn", "text": "<{{qlikSenseQMC}}|QMC>"}, "accessory": {"type": "image", "image_url": "{{qlikSenseQMC}}", "alt_text": "x"}},
			{"type": "actions", "elements": [{"type": "button", "url": "{{qlikSenseQMC}}", "text": {"type": "plain_text", "text": "x"}}]},
			{"type": "image", "image_url": "{{{qlikSenseQMC}}}", "alt_text": "x"}]}`)(e, d)
		d.Links.QMC = address
	})
	got, _ := payload(t, s, noticeOf(destinationtest.Complete(messages.ReloadTaskFailed)))
	blocks := got["blocks"].([]any)
	section, actions, image := blocks[0].(object), blocks[1].(object), blocks[2].(object)
	for name, shown := range map[string]any{
		"button": actions["elements"].([]any)[0].(object)["url"], "image": image["image_url"], "accessory": section["accessory"].(object)["image_url"],
	} {
		if shown != address {
			t.Errorf("%s: want %s, got %s", name, address, shown)
		}
	}
	if text, want := section["text"].(object)["text"], "<https://wiki.example.com/?page=sense&amp;lang=en|QMC>"; text != want {
		t.Errorf("markup: want %s, got %s", want, text)
	}
}

func TestFit_obeysSlacksLimits(t *testing.T) {
	long := strings.Repeat("x", 4000)
	text := func(s string) any { return map[string]any{"type": "mrkdwn", "text": s} }
	many := func(n int, v any) []any {
		out := make([]any, n)
		for i := range out {
			out[i] = v
		}
		return out
	}
	message := map[string]any{"blocks": []any{
		map[string]any{"type": "header", "text": text(long)},
		map[string]any{"type": "section", "text": text("```" + long + "```")},
		map[string]any{"type": "section", "text": text("")},
		map[string]any{"type": "section", "fields": many(12, text("short"))},
		map[string]any{"type": "section"},
		map[string]any{"type": "actions", "elements": []any{
			map[string]any{"type": "button", "url": "", "text": text("nowhere")},
			map[string]any{"type": "button", "url": "https://x", "text": text(long)},
		}},
		map[string]any{"type": "actions", "elements": []any{map[string]any{"type": "button", "url": ""}}},
		map[string]any{"type": "context", "elements": many(12, text("x"))},
		"no block", nil,
	}}
	fit(message)
	blocks := message["blocks"].([]any)
	if want := 8; len(blocks) != want {
		t.Fatalf("want %d blocks, got %d: %v", want, len(blocks), blocks)
	}
	if got := len(blocks[3].(map[string]any)["fields"].([]any)); got != maxFields {
		t.Errorf("want %d fields, got %d", maxFields, got)
	}
	if got := len(blocks[4].(map[string]any)["elements"].([]any)); got != 1 {
		t.Errorf("want the one button with an address, got %d", got)
	}
	wantFits(t, map[string]any{"blocks": blocks[:6]})

	message = map[string]any{"blocks": many(60, map[string]any{"type": "divider"})}
	fit(message)
	wantFits(t, message)
	fit(map[string]any{"blocks": "no list"})
	fit(map[string]any{})
}

// A picture or a button without an address, anywhere, costs the whole message.
func TestFit_leavesOutWhatLeadsNowhere(t *testing.T) {
	type list = []any
	text := object{"type": "mrkdwn", "text": "x"}
	nowhere, somewhere := object{"type": "image", "image_url": "", "alt_text": "x"}, object{"type": "image", "image_url": "https://x", "alt_text": "x"}
	message := object{"blocks": list{
		nowhere, somewhere,
		object{"type": "section", "text": text, "accessory": nowhere},
		object{"type": "section", "text": text, "accessory": object{"type": "button", "url": ""}, "fields": list{}},
		object{"type": "section", "text": text, "accessory": somewhere},
		object{"type": "context", "elements": list{nowhere, text, "no element"}},
	}}
	fit(message)
	want := object{"blocks": list{
		somewhere,
		object{"type": "section", "text": text},
		object{"type": "section", "text": text},
		object{"type": "section", "text": text, "accessory": somewhere},
		object{"type": "context", "elements": list{text}},
	}}
	if diff := cmp.Diff(want, message); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFit_attachmentsHaveTheLimitsOfMessages(t *testing.T) {
	long := strings.Repeat("x", 4000)
	blocks := object{"blocks": []any{
		object{"type": "header", "text": object{"type": "plain_text", "text": long}},
		object{"type": "section", "text": object{"type": "mrkdwn", "text": long}, "accessory": object{"type": "button", "text": object{"type": "plain_text", "text": long}}},
	}}
	message := object{"attachments": []any{blocks, "no attachment", nil}}
	fit(message)
	wantFits(t, blocks)
	button := blocks["blocks"].([]any)[1].(object)["accessory"].(object)
	wantText(t, button["text"], maxButton)
}

func TestCutMarkup_splitsNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pieces := rapid.SliceOfN(rapid.SampledFrom([]string{"&amp;", "&lt;", "&gt;", "```", "a", "🚀", "\n", "ö"}), 0, 60).Draw(rt, "pieces")
		limit := rapid.IntRange(20, 80).Draw(rt, "limit")
		text := strings.Join(pieces, "")
		got := cutMarkup(text, limit)
		units := len(utf16.Encode([]rune(got)))
		bare := strings.NewReplacer("&amp;", "", "&lt;", "", "&gt;", "").Replace(got)
		switch {
		case len(utf16.Encode([]rune(text))) <= limit && got != text:
			rt.Errorf("changed a text that fits")
		case units > limit:
			rt.Errorf("want at most %d, got %d: %q", limit, units, got)
		case strings.Contains(bare, "&"):
			rt.Errorf("split an entity: %q", got)
		case got != text && strings.Count(got, fence)%2 == 1:
			rt.Errorf("left a code block open: %q", got)
		}
	})
}

func TestCutMarkup_closesWhatItCuts(t *testing.T) {
	for name, row := range map[string]struct{ text, want string }{
		"link text":     {"App <https://x|Sales of all regions>", "App <https://x|Sales of …>"},
		"address":       {"The long name of an app <https://x|Sales>", "The long name of an app …"},
		"after a link":  {"<https://x|Sales> of all regions and shops", "<https://x|Sales> of all…"},
		"code":          {"Log ```LOAD a, b, c FROM lib and more```", "Log ```LOAD a, b, c FROM…```"},
		"code with a <": {"Log ```a < b, c FROM lib and more```", "Log ```a < b, c FROM lib…```"},
		"short enough":  {"<https://x|S> &amp; ```x```", "<https://x|S> &amp; ```x```"},
	} {
		if got := cutMarkup(row.text, 28); got != row.want {
			t.Errorf("%s: want %q, got %q", name, row.want, got)
		}
	}
}

func TestFitText_cutsPlainTextAsItIs(t *testing.T) {
	text := map[string]any{"type": "plain_text", "text": "if a < b & ``` " + strings.Repeat("x", maxHeader)}
	fitText(text, 20)
	if got, want := text["text"], "if a < b & ``` xxxx…"; got != want {
		t.Errorf("want %q, got %q", want, got)
	}
}

// Whatever stands in the alert, the built-in message is JSON that Slack takes, with the same blocks.
func TestMessage_keepsItsStructureForAnyText(t *testing.T) {
	s, _ := newTestSlack(t, func(*Event, *destination.Deps) {})
	rapid.Check(t, func(rt *rapid.T) {
		text := "x" + strings.Join(rapid.SliceOf(rapid.OneOf(rapid.SampledFrom([]string{
			`"`, `\`, `\n`, "\n", "\r\n", "```", "<!channel>", "&", "{{", "}}", `"}]}`, "\u2028", "\x00", "🚀",
		}), rapid.String())).Draw(rt, "text"), "")
		a := destinationtest.Complete(messages.ReloadTaskFailed)
		a.Event.TaskName, a.Event.AppName, a.Event.User, a.Event.LogMessage, a.Event.LogLevel = text, text, text, text, text
		a.Owner.Name, a.Owner.UserID, a.App.StreamName, a.Execution.Node = text, text, text, text
		a.Task.Tags = []string{text, text}
		a.ScriptLog.Head, a.ScriptLog.Tail = []string{text, text}, []string{text, text}
		a.Execution.Details = []messages.ExecutionDetail{{Created: "2026-05-06T12:20:00.000Z", Message: text}}
		got, from := payload(t, s, noticeOf(a))
		if from != "built-in failed-reload-qseow" {
			rt.Fatalf("rendered %s", from)
		}
		wantFits(t, got)
		if blocks := got["blocks"].([]any); len(blocks) != 12 {
			rt.Errorf("want 12 blocks, got %d", len(blocks))
		}
	})
}

// Slack takes 3000 characters in a block, and refuses fifty blocks of 3000.
func TestMessage_fitsAsAWhole(t *testing.T) {
	code := `{"type": "section", "text": {"type": "mrkdwn", "text": "` + "```{{{%s}}}```" + `"}},`
	var blocks strings.Builder
	for _, field := range []string{"scriptLogHead", "executionDetailsConcatenated", "appDescription", "logMessage", "scriptLogTail"} {
		blocks.WriteString(strings.Replace(code, "%s", field, 1))
	}
	s, _ := newTestSlack(t, func(e *Event, d *destination.Deps) {
		withTemplate(t, `{"blocks": [`+blocks.String()+`{"type": "actions", "elements": [{"type": "button",
			"text": {"type": "plain_text", "text": "App"}, "url": "{{{appUrl}}}"}]}]}`)(e, d)
		d.Links.AppBaseURL = "https://sense.example.com/" + strings.Repeat("proxy/", 200)
		e.HeadScriptLogLines, e.TailScriptLogLines = 40, 40
	})
	a := destinationtest.Complete(messages.ReloadTaskFailed)
	long := strings.Repeat("LOAD * FROM sales; ", 10)
	a.App.Description, a.Event.LogMessage = strings.Repeat(long, 20), strings.Repeat(long, 20)
	for i := range 40 {
		a.ScriptLog.Head, a.ScriptLog.Tail = append(a.ScriptLog.Head, long), append(a.ScriptLog.Tail, long)
		a.Execution.Details = append(a.Execution.Details, messages.ExecutionDetail{Created: fmt.Sprintf("2026-05-06T12:%02d:00.000Z", i), Message: long})
	}
	a.ScriptLog.Tail = append(a.ScriptLog.Tail, "the last line")
	body, from, err := s.Compose(noticeOf(a))
	if err != nil || !strings.HasSuffix(from, "mine.handlebars") {
		t.Fatalf("want the operator's template, got %s, %v", from, err)
	}
	if n := utf8.RuneCount(body); n > maxMessage || n < maxMessage/2 {
		t.Errorf("want at most %d characters, and not many less, got %d", maxMessage, n)
	}
	for _, want := range []string{"the last line", `"` + s.room.Fields(noticeOf(a))["appUrl"].(string) + `"`} {
		if !strings.Contains(string(body), want) {
			t.Errorf("want %q in %s", want, body)
		}
	}
}

func TestEvent_channelsOfOneWebhookAreDifferentAddresses(t *testing.T) {
	room := chat.Settings{WebhookURL: "https://hooks.slack.com/services/1"}
	a, b := Event{Settings: room, Channel: "ops"}, Event{Settings: room, Channel: "finance"}
	if slices.Equal(a.Address(), b.Address()) || slices.Equal(a.Address(), Event{Channel: "ops"}.Address()) {
		t.Errorf("want webhook and channel to count, got %v and %v", a.Address(), b.Address())
	}
}

// The notification of a phone shows the text of a message and no blocks.
func TestMessage_phonesShowWhatItIsAbout(t *testing.T) {
	a := destinationtest.Complete(messages.ReloadTaskFailed)
	a.Event.TaskName, a.Task.Name = "<!channel>", "<!channel>"
	for source, want := range map[string]string{
		`{"blocks": [{"type": "divider"}]}`:                 `"text":"Reload task failed: &lt;!channel&gt;"`,
		`{"blocks": [{"type": "divider"}], "text": "mine"}`: `"text":"mine"`,
	} {
		s, _ := newTestSlack(t, withTemplate(t, source))
		body, _, err := s.Compose(noticeOf(a))
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: want %s, got %s, %v", source, want, body, err)
		}
	}
}
