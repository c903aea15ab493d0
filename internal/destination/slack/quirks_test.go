package slack

import (
	"strings"
	"testing"
	"unicode/utf16"

	"butler/internal/destination"
	"butler/internal/destination/chat"
	"butler/internal/destination/destinationtest"
	"butler/internal/template"
	"butler/messages"
)

// basic makes the message a plain sentence.
func basic(sentence string) func(*Event, *destination.Deps) {
	return func(e *Event, _ *destination.Deps) { e.MessageType, e.BasicMsgTemplate = "basic", sentence }
}

// headerOf returns the text of a message's header.
func headerOf(t *testing.T, message map[string]any) string {
	t.Helper()
	first, _ := message["blocks"].([]any)[0].(map[string]any)
	text, _ := first["text"].(map[string]any)
	if first["type"] != "header" || text["type"] != "plain_text" {
		t.Fatalf("want a plain header, got %v", first)
	}
	return text["text"].(string)
}

func TestQ1_sentencesAreNotEscapedForHTML(t *testing.T) {
	s, _ := newTestSlack(t, basic(`"{{taskName}}" isn't <ok> & {{{taskName}}}`))
	a := destinationtest.Complete(messages.ReloadTaskFailed)
	a.Event.TaskName = `R&D's "x" <y>=z`
	got, _ := payload(t, s, noticeOf(a))
	if want := `"R&D's "x" <y>=z" isn't <ok> & R&D's "x" <y>=z`; headerOf(t, got) != want {
		t.Errorf("want %s, got %s", want, headerOf(t, got))
	}
}

func TestQ2_logsKeepTheirLineBreaksAndQuotes(t *testing.T) {
	lines := []string{`LOAD "a\nb", 'c'`, `FROM [lib://x\y];`}
	for _, kind := range []messages.AlertKind{messages.ReloadTaskFailed, messages.ReloadTaskAborted, messages.CloudReloadFailed} {
		s, _ := newTestSlack(t, func(*Event, *destination.Deps) {})
		a := destinationtest.Complete(kind)
		a.ScriptLog.Head, a.ScriptLog.Tail = lines, lines
		got, from := payload(t, s, noticeOf(a))
		if want := "built-in " + template.BuiltinName(kind); from != want {
			t.Errorf("want %s, got %s", want, from)
		}
		shown := 0
		for _, b := range got["blocks"].([]any) {
			text, _ := b.(map[string]any)["text"].(map[string]any)
			if body, _ := text["text"].(string); strings.HasSuffix(body, "```"+strings.Join(lines, "\n")+"```") {
				shown++
			}
		}
		if shown != 2 {
			t.Errorf("%s: want head and tail as they are, got %v", kind, got["blocks"])
		}
	}
}

func TestHeader_is150CharactersAtMostWithAnEllipsis(t *testing.T) {
	for name, change := range map[string]func(*Event, *destination.Deps){
		"basic": basic("{{taskName}}"), "formatted": func(*Event, *destination.Deps) {},
	} {
		s, _ := newTestSlack(t, change)
		a := destinationtest.Complete(messages.ReloadTaskFailed)
		a.Event.TaskName = strings.Repeat("🚀é", 100)
		got, _ := payload(t, s, noticeOf(a))
		header := headerOf(t, got)
		if n := len(utf16.Encode([]rune(header))); n > maxHeader || n < maxHeader-5 || !strings.HasSuffix(header, "…") || strings.ContainsRune(header, '\uFFFD') {
			t.Errorf("%s: want close to %d characters and an ellipsis, got %d: %s", name, maxHeader, n, header)
		}
	}
}

func TestField_is2000CharactersAtMostWithAnEllipsis(t *testing.T) {
	for kind, set := range map[messages.AlertKind]func(*messages.Alert){
		messages.ReloadTaskFailed:  func(a *messages.Alert) { a.Event.TaskName = strings.Repeat("&", 2500) },
		messages.ServiceStopped:    func(a *messages.Alert) { a.Service.DisplayName = strings.Repeat("&", 2500) },
		messages.CloudReloadFailed: func(a *messages.Alert) { a.App.Description = strings.Repeat("&", 2500) },
	} {
		s, _ := newTestSlack(t, func(*Event, *destination.Deps) {})
		a := destinationtest.Complete(kind)
		set(&a)
		got, _ := payload(t, s, noticeOf(a))
		longest := ""
		for _, b := range got["blocks"].([]any) {
			fields, _ := b.(map[string]any)["fields"].([]any)
			for _, f := range fields {
				if text := f.(map[string]any)["text"].(string); len(text) > len(longest) {
					longest = text
				}
			}
		}
		if n := len(utf16.Encode([]rune(longest))); n > maxField || n < maxField-10 || !strings.HasSuffix(longest, "&amp;…") {
			t.Errorf("%s: want close to %d characters, whole entities and an ellipsis, got %d: ...%s", kind, maxField, n, longest[max(0, len(longest)-20):])
		}
	}
}

func TestButtons_leadSomewhere(t *testing.T) {
	without := func(change func(*Event, *destination.Deps)) func(*Event, *destination.Deps) {
		return func(e *Event, d *destination.Deps) {
			change(e, d)
			d.Links = template.Links{}
		}
	}
	formatted := func(*Event, *destination.Deps) {}
	for name, row := range map[string]struct {
		kind   messages.AlertKind
		change func(*Event, *destination.Deps)
		want   string
	}{
		"basic, service":         {messages.ServiceStopped, basic("x"), "https://sense.example.com/qmc https://sense.example.com/hub"},
		"basic, cloud":           {messages.CloudReloadFailed, basic("x"), "https://tenant.example.com/console https://tenant.example.com/hub"},
		"basic, no address":      {messages.ServiceStopped, without(basic("x")), ""},
		"formatted, no address":  {messages.ReloadTaskFailed, without(formatted), ""},
		"formatted, service":     {messages.ServiceStarted, formatted, "https://sense.example.com/qmc https://sense.example.com/hub https://wiki.example.com/runbook https://wiki.example.com/oncall"},
		"formatted, cloud's own": {messages.CloudReloadFailed, without(formatted), "https://tenant.example.com/console https://tenant.example.com/hub https://tenant.example.com/sense/app/" + destinationtest.AppID},
	} {
		s, _ := newTestSlack(t, row.change)
		got, _ := payload(t, s, noticeOf(destinationtest.Complete(row.kind)))
		var urls []string
		for _, b := range got["blocks"].([]any) {
			elements, _ := b.(map[string]any)["elements"].([]any)
			for _, e := range elements {
				if button := e.(map[string]any); button["type"] == "button" {
					urls = append(urls, button["url"].(string))
				}
			}
		}
		if strings.Join(urls, " ") != row.want {
			t.Errorf("%s: want %q, got %q", name, row.want, urls)
		}
	}
}

func TestTemplates_everyKindHasABuiltInLayout(t *testing.T) {
	for _, kind := range messages.AllKinds() {
		for _, sample := range destinationtest.AlertsOf(kind) {
			s, logs := newTestSlack(t, func(*Event, *destination.Deps) {})
			got, from := payload(t, s, noticeOf(sample.Alert))
			wantFits(t, got)
			if from != "built-in "+chat.Builtin(kind) || logs.Len() > 0 {
				t.Errorf("%s: got %s, %d warnings", sample.Name, from, logs.Len())
			}
		}
	}
}
