package template_test

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"butler/internal/template"
)

func plain(fields map[string]any) map[string]any { return map[string]any{"plain": fields["name"]} }

func TestDocument_namesItsTemplate(t *testing.T) {
	layouts := fstest.MapFS{"failed.handlebars": {Data: []byte(`{"builtin": "{{name}}"}`)}}
	dir := t.TempDir()
	good, broken := filepath.Join(dir, "good.handlebars"), filepath.Join(dir, "broken.handlebars")
	write(t, good, `{"mine": "{{name}}"}`)
	write(t, broken, `{"mine": `)
	for name, tc := range map[string]struct {
		source template.Source
		object string
		from   string
		warns  bool
	}{
		"the operator's":  {template.Source{Files: []string{good}, Builtin: "failed"}, "mine", good, false},
		"none configured": {template.Source{Builtin: "failed"}, "builtin", "built-in failed", false},
		"broken":          {template.Source{Files: []string{broken}, Builtin: "failed"}, "builtin", "built-in failed, because template " + broken, true},
		"neither":         {template.Source{Files: []string{broken}, Builtin: "none"}, "plain", "plain text, no template could be used", true},
	} {
		t.Run(name, func(t *testing.T) {
			set := template.NewSet(template.TeamsJSON, layouts)
			got := set.Document(tc.source, map[string]any{"name": "x"}, plain)
			if diff := cmp.Diff(map[string]any{tc.object: "x"}, got.Object); diff != "" {
				t.Errorf("object (-want +got):\n%s", diff)
			}
			if !strings.HasPrefix(got.From, tc.from) || (got.Warning != nil) != tc.warns {
				t.Errorf("want it from %q, got %q with warning %v", tc.from, got.From, got.Warning)
			}
		})
	}
}

func TestDocument_warnsOnce(t *testing.T) {
	layouts := fstest.MapFS{"failed.handlebars": {Data: []byte(`{}`)}}
	set := template.NewSet(template.TeamsJSON, layouts)
	source := template.Source{Files: []string{filepath.Join(t.TempDir(), "missing.handlebars")}, Builtin: "failed"}
	first, second := set.Document(source, nil, plain), set.Document(source, nil, plain)
	if first.Warning == nil || second.Warning != nil {
		t.Errorf("want one warning, got %v and %v", first.Warning, second.Warning)
	}
	if first.From != second.From {
		t.Errorf("want the reason every time, got %q and %q", first.From, second.From)
	}
}
