package handlebars

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSurvey_listsCallsThatAlwaysFail(t *testing.T) {
	for name, row := range map[string]struct {
		source   string
		misfits  []string
		partials []string
	}{
		"all that there is": {
			source: `{{a}}{{#if (eq a "b")}}{{lookup a "c"}}{{else if b}}{{log a}}{{else}}{{#each d as |x i|}}{{x.name}}{{/each}}{{/if}}` +
				`{{#unless a includeZero=true}}{{#with b}}{{../c}}{{/with}}{{/unless}}{{#eq a b}}{{/eq}}{{#list}}{{this}}{{/list}}{{^list}}{{/list}}`,
		},
		"a helper that there is not":  {source: "a\n{{formatDate start \"YYYY\"}}", misfits: []string{`line 2: unknown helper "formatDate"`}},
		"with named arguments alone":  {source: "{{#if a}}\n{{upper text=a}}{{/if}}", misfits: []string{`line 2: unknown helper "upper"`}},
		"in parentheses":              {source: "{{#if\n(and a b)}}{{/if}}", misfits: []string{`line 1: unknown helper "and"`}},
		"within one that there is":    {source: "{{lookup (first a) b}}", misfits: []string{`line 1: unknown helper "first"`}},
		"a block":                     {source: "{{#compare a b}}{{/compare}}", misfits: []string{`line 1: unknown helper "compare"`}},
		"in the other branch":         {source: "{{#if a}}{{else}}{{upper a}}{{/if}}", misfits: []string{`line 1: unknown helper "upper"`}},
		"in a chain":                  {source: "{{#if a}}{{else if (or a b)}}{{/if}}", misfits: []string{`line 1: unknown helper "or"`}},
		"for a partial":               {source: "{{> footer (upper a) text=(lower b)}}", misfits: []string{`line 1: unknown helper "upper"`, `line 1: unknown helper "lower"`}, partials: []string{"footer"}},
		"which partial":               {source: "{{> (pick a)}}{{> footer}}{{> footer}}", misfits: []string{`line 1: unknown helper "pick"`}, partials: []string{"footer"}},
		"more than once":              {source: "{{upper a}}\n{{upper b}}\n{{lower b}}", misfits: []string{`line 1: unknown helper "upper"`, `line 3: unknown helper "lower"`}},
		"a block helper for a value":  {source: "{{if a}}", misfits: []string{`line 1: "if" is a block: write {{#if}}`}},
		"a block parameter":           {source: "{{#each a as |if|}}{{if}}{{/each}}"},
		"a block parameter with more": {source: "{{#each a as |eq|}}{{eq a b}}{{/each}}", misfits: []string{`line 1: unknown helper "eq"`}},
		"text as it stands":           {source: "{{{{raw a}}}}{{upper b}}{{{{/raw}}}}"},
	} {
		template, err := Parse(row.source)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		found := template.Survey()
		var misfits []string
		for _, m := range found.Misfits {
			misfits = append(misfits, m.Err.Error())
		}
		if diff := cmp.Diff(row.misfits, misfits) + cmp.Diff(row.partials, found.Partials); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestSurvey_agreesWithRendering(t *testing.T) {
	c, options := readCorpus(t)
	for _, one := range c.Cases {
		parsed, err := Parse(one.Template)
		if err != nil {
			t.Fatal(err)
		}
		if found := parsed.Survey(); len(found.Misfits) > 0 {
			t.Errorf("%s is rendered, and yet %v", one.Name, found.Misfits)
		}
	}
	seen := 0
	for _, source := range c.Refused {
		parsed, err := Parse(source)
		if err != nil {
			continue
		}
		_, err = parsed.Render(c.Data, options)
		if !strings.Contains(err.Error(), "unknown helper") {
			continue
		}
		seen++
		if found := parsed.Survey(); len(found.Misfits) == 0 || found.Misfits[0].Err.Error() != err.Error() {
			t.Errorf("%s fails with %v, and is told %v", source, err, found.Misfits)
		}
	}
	if seen == 0 {
		t.Error("want a template with an unknown helper")
	}
}

func TestHelpers_listsAllHelpers(t *testing.T) {
	for _, name := range Helpers() {
		if _, value := helpers[name]; !value && blockHelperNamed(name) == nil {
			t.Errorf("%s is no helper", name)
		}
	}
	for name := range helpers {
		if !slices.Contains(Helpers(), name) {
			t.Errorf("%s is missing", name)
		}
	}
}
