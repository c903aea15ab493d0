package template_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"butler/internal/template"
)

func TestCheckFiles_saysWhatIsWrongWithTheFirstThatExists(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if text != "" {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return path
	}
	good, broken, missing := file("good", "{{taskName}}"), file("broken", "\n{{#if taskName}}"), file("missing", "")
	for _, row := range []struct {
		name  string
		files []string
		want  string
	}{
		{"none, which means the built-in one", nil, ""},
		{"a good one", []string{good}, ""},
		{"a good one behind one that is not there", []string{missing, good, broken}, ""},
		{"a broken one in front", []string{broken, good}, "template " + broken + ": line 2: {{#if}} is not closed"},
		{"none that is there", []string{missing}, "template " + missing + ": no such file"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := ""
			if err := template.CheckFiles(row.files); err != nil {
				got = err.Error()
			}
			if got == "" != (row.want == "") || !strings.HasPrefix(got, row.want) {
				t.Errorf("want %q, got %q", row.want, got)
			}
		})
	}
}
