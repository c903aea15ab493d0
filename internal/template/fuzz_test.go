package template

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzValue checks that no value of a field can break a JSON document, a page or a line.
func FuzzValue(f *testing.F) {
	parsed := func(source string, m Medium) Renderer {
		r, err := Parse(source, m)
		if err != nil {
			f.Fatal(err)
		}
		return r
	}
	const document = `{"a":"{{v}}","b":["{{{v}}}"],"c":{"d":"x"}}`
	documents := []Renderer{parsed(document, SlackJSON), parsed(document, TeamsJSON)}
	html, line := parsed("<p title=\"{{v}}\">{{v}}</p>", HTML), parsed("Task {{v}} {{{v}}}", Line)
	for _, seed := range []string{
		`","b":[],"c":{"d":"y"},"z":"`, "\\", "\\u0022", "</p><script>", `" onload="x`, "{{v}} {{{{raw}}}}", "a\r\nBcc: x@example.com", "\xff\x00\x1b[31m\u2028\u202e", "<!channel>",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, v string) {
		fields := map[string]any{"v": v}
		for _, r := range documents {
			text, err := r.Render(fields)
			if err != nil {
				t.Fatalf("no document: %v", err)
			}
			var got struct {
				A string
				B []string
				C map[string]string
				Z *string
			}
			if err := json.Unmarshal([]byte(text), &got); err != nil || len(got.B) != 1 || len(got.C) != 1 || got.C["d"] != "x" || got.Z != nil {
				t.Errorf("%v, the value changes the document: %s", err, text)
			}
			if want := strings.ToValidUTF8(strings.ReplaceAll(v, "\r", ""), "\uFFFD"); len(got.B) == 1 && strings.ToValidUTF8(got.B[0], "\uFFFD") != want && !strings.Contains(want, "\uFFFD") {
				t.Errorf("the value reads back as %q, want %q", got.B[0], want)
			}
		}
		text, err := html.Render(fields)
		if err != nil || strings.Count(text, "<") != 2 || strings.Count(text, ">") != 2 || strings.Count(text, `"`) != 2 {
			t.Errorf("%v, the value changes the page: %s", err, text)
		}
		if text, err = line.Render(fields); err != nil || strings.ContainsAny(text, "\r\n\x00\x1b\u2028\u2029\u0085") {
			t.Errorf("%v, more than a line: %q", err, text)
		}
	})
}
