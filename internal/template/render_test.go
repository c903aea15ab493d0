package template_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"pgregory.net/rapid"

	"butler/internal/template"
)

func render(t *testing.T, source string, m template.Medium, fields map[string]any) string {
	t.Helper()
	r, err := template.Parse(source, m)
	if err != nil {
		t.Fatal(err)
	}
	text, err := r.Render(fields)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestMedium_escapesAsItsFormatNeeds(t *testing.T) {
	fields := map[string]any{"x": "a<b>&\"'`=\\\r\nc\td"}
	for name, tc := range map[string]struct {
		medium       template.Medium
		source, want string
	}{
		"html escaped":  {template.HTML, "{{x}}", "a&lt;b&gt;&amp;&quot;&#x27;&#x60;&#x3D;\\\r\nc\td"},
		"html raw":      {template.HTML, "{{{x}}}", "a<b>&\"'`=\\\r\nc\td"},
		"html trimmed":  {template.HTML, "\n <p>{{{x}}}</p> \n", "<p>a<b>&\"'`=\\\r\nc\td</p>"},
		"line escaped":  {template.Line, "{{x}}", "a<b>&\"'`=\\c d"},
		"line raw":      {template.Line, "{{{x}}}", "a<b>&\"'`=\\c d"},
		"line template": {template.Line, "one\r\ntwo {{x}}\n", "onetwo a<b>&\"'`=\\c d"},
		"slack escaped": {template.SlackJSON, `{"t":"{{x}}"}`, `{"t":"a&lt;b&gt;&amp;\"'` + "`" + `=\\\nc\td"}`},
		"slack raw":     {template.SlackJSON, `{"t":"{{{x}}}"}`, `{"t":"a<b>&\"'` + "`" + `=\\\nc\td"}`},
		"teams escaped": {template.TeamsJSON, `{"t":"{{x}}"}`, `{"t":"a<b>&\"'` + "`" + `=\\\nc\td"}`},
		"teams raw":     {template.TeamsJSON, `{"t":"{{{x}}}"}`, `{"t":"a<b>&\"'` + "`" + `=\\\nc\td"}`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := render(t, tc.source, tc.medium, fields); got != tc.want {
				t.Errorf("\nwant %q\n got %q", tc.want, got)
			}
		})
	}
}

// Both {{x}} and {{{x}}}, anywhere, yield a JSON document that holds the text itself.
func TestMedium_jsonStaysValidForAnyText(t *testing.T) {
	source := `{"a":"{{x}}","b":"{{{x}}}","c":[{{#each l}}"{{{this}}}"{{#unless @last}},{{/unless}}{{/each}}],"d":"{{lookup o "x"}}","e":"{{l}}"}`
	slack, err := template.Parse(source, template.SlackJSON)
	if err != nil {
		t.Fatal(err)
	}
	teams, err := template.Parse(source, template.TeamsJSON)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.String().Draw(rt, "text")
		fields := map[string]any{"x": s, "l": []any{s, "y" + s}, "o": map[string]any{"x": s}}
		want := strings.ToValidUTF8(strings.ReplaceAll(s, "\r", ""), "\ufffd")
		for _, r := range []template.Renderer{slack, teams} {
			text, err := r.Render(fields)
			if err != nil {
				rt.Fatal(err)
			}
			var got struct{ A, B, D string }
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				rt.Fatalf("%v in %s", err, text)
			}
			if got.B != want {
				rt.Errorf("want %q, got %q", want, got.B)
			}
			if r == teams && got.A != want {
				rt.Errorf("want %q, got %q", want, got.A)
			}
			if r == slack && strings.ContainsAny(got.A, "<>") {
				rt.Errorf("markup in %q", got.A)
			}
		}
	})
}

func TestMedium_lineIsOneLineForAnyText(t *testing.T) {
	r, err := template.Parse(`{{x}} {{{x}}}`, template.Line)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		text, err := r.Render(map[string]any{"x": rapid.String().Draw(rt, "text")})
		if err != nil || strings.ContainsAny(text, "\r\n\x00\u2028\u0085") {
			rt.Errorf("got %q, %v", text, err)
		}
	})
}

func TestMedium_refusesInvalidJSON(t *testing.T) {
	for _, source := range []string{`[1]`, `{"a":1,}`, `text`, ``, `{"a":{{x}}}`} {
		r, err := template.Parse(source, template.SlackJSON)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := r.Render(nil); err == nil {
			t.Errorf("%s: want an error, got %q", source, text)
		}
	}
}

// builtin is a set with one template and one partial.
var builtin = fstest.MapFS{
	"failed.handlebars":        {Data: []byte(`built-in {{name}} {{> card}}`)},
	"partials/card.handlebars": {Data: []byte(`[{{name}}]`)},
	"broken.handlebars":        {Data: []byte(`{{#if}}`)},
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestSet_prefersTheOperatorsFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "failed-qseow.handlebars")
	write(t, path, `mine {{name}} {{> card}} {{> sub/row}}`)
	write(t, filepath.Join(dir, "partials", "sub", "row.handlebars"), `row`)
	set := template.NewSet(template.HTML, builtin)
	got, err := set.Render(template.Source{Files: []string{filepath.Join(dir, "failed.handlebars"), path}, Builtin: "failed"}, map[string]any{"name": "x"})
	if err != nil || got.Warning != nil {
		t.Fatal(err, got.Warning)
	}
	if want := "mine x [x] row"; got.Text != want || got.Template != path {
		t.Errorf("want %q from %s, got %q from %s", want, path, got.Text, got.Template)
	}
}

func TestSet_fallsBackToTheBuiltInTemplate(t *testing.T) {
	dir := t.TempDir()
	for name, source := range map[string]string{
		"does not parse":   "{{#if}",
		"does not render":  "{{nohelper 1}}",
		"partial missing":  "{{> nothing}}",
		"too large":        strings.Repeat("x", 1<<20),
		"renders too much": "{{#each l}}{{#each @root.l}}{{#each @root.l}}{{#each @root.l}}{{@root.name}}{{/each}}{{/each}}{{/each}}{{/each}}",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+template.Extension)
			write(t, path, source)
			wantBuiltin(t, template.Source{Files: []string{path}, Builtin: "failed"})
		})
	}
	t.Run("missing", func(t *testing.T) {
		wantBuiltin(t, template.Source{Files: []string{filepath.Join(dir, "missing.handlebars")}, Builtin: "failed"})
	})
	t.Run("is a directory", func(t *testing.T) {
		wantBuiltin(t, template.Source{Files: []string{dir}, Builtin: "failed"})
	})
}

func wantBuiltin(t *testing.T, source template.Source) {
	t.Helper()
	set := template.NewSet(template.HTML, builtin)
	list := make([]any, 100)
	for i := range list {
		list[i] = i
	}
	for round := range 2 {
		got, err := set.Render(source, map[string]any{"name": "x", "l": list})
		if err != nil {
			t.Fatal(err)
		}
		if want := "built-in x [x]"; got.Text != want || got.Warning == nil || got.Template != "built-in failed" {
			t.Errorf("want %q with a warning, got %q from %s, %v", want, got.Text, got.Template, got.Warning)
		}
		if got.Repeated != (round > 0) {
			t.Errorf("round %d: repeated is %v", round, got.Repeated)
		}
	}
}

func TestSet_noFileIsNoWarning(t *testing.T) {
	got, err := template.NewSet(template.HTML, builtin).Render(template.Source{Builtin: "failed"}, map[string]any{"name": "x"})
	if err != nil || got.Warning != nil || got.Text != "built-in x [x]" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestSet_reportsABrokenBuiltInTemplate(t *testing.T) {
	for _, name := range []string{"broken", "missing", "../failed"} {
		if got, err := template.NewSet(template.HTML, builtin).Render(template.Source{Builtin: name}, nil); err == nil {
			t.Errorf("%s: want an error, got %+v", name, got)
		}
	}
}

func TestSet_readsChangedFilesAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.handlebars")
	set := template.NewSet(template.HTML, builtin)
	for i, text := range []string{"one", "two", "{{#if}}", "three"} {
		write(t, path, text)
		// File systems with coarse times may give two quick edits the same time.
		stamp := time.Date(2026, 1, 1, 0, 0, i, 0, time.UTC)
		if err := os.Chtimes(path, stamp, stamp); err != nil {
			t.Fatal(err)
		}
		got, err := set.Render(template.Source{Files: []string{path}, Builtin: "failed"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if broken := text == "{{#if}}"; broken != (got.Warning != nil) || !broken && got.Text != text {
			t.Errorf("after writing %q: got %+v", text, got)
		}
	}
}

func TestSet_partialsCannotLeaveTheirDirectory(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secret.handlebars"), "secret")
	templates := filepath.Join(dir, "templates")
	path := filepath.Join(templates, "x.handlebars")
	write(t, path, "{{> (lookup this 'name')}}")
	if err := os.Mkdir(filepath.Join(templates, "partials"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "secret.handlebars"), filepath.Join(templates, "partials", "link.handlebars")); err != nil {
		t.Fatal(err)
	}
	set := template.NewSet(template.HTML, builtin)
	for _, name := range []string{"../../secret", filepath.Join(dir, "secret"), "link", "a/../../../secret", ""} {
		got, err := set.Render(template.Source{Files: []string{path}, Builtin: "failed"}, map[string]any{"name": name})
		if err != nil || got.Warning == nil || got.Text == "secret" {
			t.Errorf("%q: got %+v, %v", name, got, err)
		}
	}
}

func TestCut_staysWithinTheLimit(t *testing.T) {
	weigh := func(r rune) int {
		if r == '&' {
			return 5
		}
		return template.Units(r)
	}
	weight := func(s string) (sum int) {
		for _, r := range s {
			sum += weigh(r)
		}
		return sum
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.StringN(0, 200, -1).Draw(rt, "text")
		limit := rapid.IntRange(len(template.Marker)+2, 120).Draw(rt, "limit")
		for name, got := range map[string]string{
			"CutEnd": template.CutEnd(s, limit, weigh), "CutLinesEnd": template.CutLinesEnd(s, limit, weigh),
			"CutLinesStart": template.CutLinesStart(s, limit, weigh),
		} {
			switch {
			case weight(s) <= limit && got != s:
				rt.Errorf("%s changed a text that fits: %q", name, got)
			case weight(got) > limit:
				rt.Errorf("%s: want at most %d, got %d: %q", name, limit, weight(got), got)
			}
		}
	})
}

func TestCut_keepsTheRightSide(t *testing.T) {
	text := "first\n" + strings.Repeat("middle\n", 50) + "last"
	if got := template.CutLinesEnd(text, 80, template.Units); !strings.HasPrefix(got, "first\n") || !strings.HasSuffix(got, template.Marker) {
		t.Errorf("got %q", got)
	}
	if got := template.CutLinesStart(text, 80, template.Units); !strings.HasSuffix(got, "\nlast") || !strings.HasPrefix(got, template.Marker) {
		t.Errorf("got %q", got)
	}
}
