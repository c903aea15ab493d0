package handlebars

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// corpus is testdata/conformance.json: templates with the output that
// Handlebars 4.7 itself gave for them, and templates that it refuses.
type corpus struct {
	Data     map[string]any
	Partials map[string]string
	Cases    []struct{ Name, Template, Want string }
	Refused  []string
}

func readCorpus(tb testing.TB) (corpus, Options) {
	tb.Helper()
	raw, err := os.ReadFile("testdata/conformance.json")
	if err != nil {
		tb.Fatal(err)
	}
	var c corpus
	if err := json.Unmarshal(raw, &c); err != nil {
		tb.Fatal(err)
	}
	return c, Options{Partial: func(name string) (*Template, error) {
		source, ok := c.Partials[name]
		if !ok {
			return nil, os.ErrNotExist
		}
		return Parse(source)
	}}
}

func TestRender_agreesWithHandlebars(t *testing.T) {
	c, options := readCorpus(t)
	for _, tc := range c.Cases {
		t.Run(tc.Name, func(t *testing.T) {
			parsed, err := Parse(tc.Template)
			if err != nil {
				t.Fatalf("Parse(%q): %v", tc.Template, err)
			}
			got, err := parsed.Render(c.Data, options)
			if err != nil {
				t.Fatalf("Render(%q): %v", tc.Template, err)
			}
			if got != tc.Want {
				t.Errorf("Render(%q)\nwant %q\n got %q", tc.Template, tc.Want, got)
			}
		})
	}
}

func TestTemplate_refusesWhatHandlebarsRefuses(t *testing.T) {
	c, options := readCorpus(t)
	for _, source := range c.Refused {
		t.Run(source, func(t *testing.T) {
			parsed, err := Parse(source)
			if err == nil {
				var got string
				got, err = parsed.Render(c.Data, options)
				if err == nil {
					t.Fatalf("want an error, got %q", got)
				}
			}
			if _, ok := errors.AsType[*SyntaxError](err); !ok {
				t.Errorf("want a *SyntaxError, got %T: %v", err, err)
			}
		})
	}
}

func TestRender_isBounded(t *testing.T) {
	list := make([]any, 300)
	for i := range list {
		list[i] = i
	}
	data := map[string]any{"list": list, "long": strings.Repeat("x", 2*MaxOutput)}
	loop := func(string) (*Template, error) { return Parse("{{> again}}") }
	for name, source := range map[string]string{
		"output":            "{{long}}",
		"steps":             "{{#each list}}{{#each ../list}}{{#each ../../list}}{{#if no}}x{{/if}}{{/each}}{{/each}}{{/each}}",
		"partial in itself": "{{> again}}",
		"doubling":          strings.Repeat("{{#each @root.list}}", 4) + "y" + strings.Repeat("{{/each}}", 4),
	} {
		t.Run(name, func(t *testing.T) {
			parsed, err := Parse(source)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := parsed.Render(data, Options{Partial: loop}); err == nil {
				t.Errorf("want an error, got %d bytes", len(got))
			}
		})
	}
}

func TestParse_isBounded(t *testing.T) {
	for name, source := range map[string]string{
		"source":      strings.Repeat("x", MaxSource+1),
		"blocks":      strings.Repeat("{{#if a}}", maxNesting+1) + strings.Repeat("{{/if}}", maxNesting+1),
		"parentheses": "{{eq " + strings.Repeat("(eq ", maxNesting+1),
		"else chain":  "{{#if a}}" + strings.Repeat("{{else if a}}", maxNesting+1) + "{{/if}}",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse(source); err == nil {
				t.Error("want an error")
			}
		})
	}
}

func TestRender_rawBlockWithoutHelperIsLiteral(t *testing.T) {
	parsed, err := Parse("{{{{raw}}}}{{name}} {{#if}}{{{{/raw}}}}")
	if err != nil {
		t.Fatal(err)
	}
	got, err := parsed.Render(map[string]any{"name": "x"}, Options{})
	if want := "{{name}} {{#if}}"; err != nil || got != want {
		t.Errorf("want %q, got %q, %v", want, got, err)
	}
}

func TestRender_namedObjectHasTextAndFields(t *testing.T) {
	data := map[string]any{
		"stream": Named{Text: "Finance", Fields: map[string]any{"name": "Finance", "id": "7"}},
		"none":   Named{},
	}
	parsed, err := Parse("{{stream}} {{stream.name}} {{stream.id}} {{#with stream}}{{id}}{{/with}} [{{none}}{{none.name}}] {{#if none}}T{{else}}F{{/if}}")
	if err != nil {
		t.Fatal(err)
	}
	got, err := parsed.Render(data, Options{})
	if want := "Finance Finance 7 7 [] F"; err != nil || got != want {
		t.Errorf("want %q, got %q, %v", want, got, err)
	}
}

// Every value in the output was returned by Escape or Raw.
func TestRender_everyValuePassesTheEscaper(t *testing.T) {
	parsed, err := Parse("{{a}}{{{a}}}{{&a}}{{#each l}}{{this}}{{{this}}}{{@key}}{{/each}}{{lookup o k}}{{#with o as |w|}}{{w.k}}{{/with}}{{o}}{{l}}")
	if err != nil {
		t.Fatal(err)
	}
	drop := func(string) string { return "" }
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.String().Draw(rt, "value")
		data := map[string]any{"a": s, "l": []any{s, s}, "k": "k", "o": map[string]any{"k": s}}
		if got, err := parsed.Render(data, Options{Escape: drop, Raw: drop}); err != nil || got != "" {
			rt.Errorf("want nothing, got %q, %v", got, err)
		}
	})
}

// FuzzTemplate checks that parsing and rendering of any source are bounded in time and
// size and do not panic.
func FuzzTemplate(f *testing.F) {
	c, options := readCorpus(f)
	for _, tc := range c.Cases {
		f.Add(tc.Template)
	}
	for _, source := range c.Refused {
		f.Add(source)
	}
	f.Fuzz(func(t *testing.T, source string) {
		parsed, err := Parse(source)
		if err != nil {
			return
		}
		got, err := parsed.Render(c.Data, options)
		if err == nil && len(got) > MaxOutput {
			t.Errorf("rendered %d bytes", len(got))
		}
	})
}

// Named arguments of a partial hide the fields of its context with the same names, and no
// other values.
func TestRender_namedArgumentsTakePrecedenceOverTheContext(t *testing.T) {
	data := map[string]any{
		"a": "A", "b": "B", "o": map[string]any{"a": "oa"}, "list": []any{"x", "y"}, "text": "word",
	}
	partials := map[string]string{
		"ab":     "{{a}}{{b}}{{c}}",
		"nested": "{{> ab b='2'}}|{{b}}",
		"deep":   "{{> nested a='1' b='n'}}|{{a}}",
		"fresh":  "{{> ab o c='3'}}",
		"fresh2": "{{> ab}}",
		"whole":  "{{#each .}}{{@key}}={{this}};{{/each}}",
		"wholes": "{{> whole o a='1' z='9'}}|{{> whole2 o z='9'}}",
		"whole2": "{{> whole a='2'}}",
		"up":     "{{#each list}}{{this}}{{../a}}{{../b}} {{/each}}",
		"outer":  "{{../a}}{{a}}",
		"length": "[{{length}}{{a}}]",
		"object": "{{o.a}}",
	}
	for name, tc := range map[string]struct{ template, want string }{
		"hides a field":                    {"{{> ab a='1'}}", "1B"},
		"adds a field":                     {"{{> ab c='3'}}", "AB3"},
		"over those of the partial around": {"{{> deep}}", "12|n|A"},
		"seen by partials without any":     {"{{#with o}}{{> fresh2 b='2'}}{{/with}}", "oa2"},
		"not over another context":         {"{{> fresh b='hidden' o=o}}", "oa3"},
		"in the whole":                     {"{{> wholes}}", "a=1;z=9;|a=2;z=9;"},
		"from an inner block":              {"{{> up a='1'}}", "x1B y1B "},
		"not outside":                      {"{{> outer a='1'}}", "A1"},
		"no fields of a text":              {"{{> length text a='1'}}{{> length text}}", "[1][4]"},
		"of an object":                     {"{{> object o=o}}{{> object o='none'}}", "oa"},
	} {
		t.Run(name, func(t *testing.T) {
			parsed, err := Parse(tc.template)
			if err != nil {
				t.Fatal(err)
			}
			got, err := parsed.Render(data, Options{Partial: func(name string) (*Template, error) { return Parse(partials[name]) }})
			if err != nil || got != tc.want {
				t.Errorf("want %q, got %q, %v", tc.want, got, err)
			}
		})
	}
}
