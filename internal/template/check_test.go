package template_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/template"
)

func TestCheckFiles_reportsTheErrorOfTheFirstExistingFile(t *testing.T) {
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

func TestMisfits_suggestASimilarHelper(t *testing.T) {
	for source, want := range map[string][]string{
		"{{eq a b}}":                    nil,
		"{{#if":                         nil, // CheckFiles reports it
		"{{a}}\n{{Eq a b}}":             {`line 2: unknown helper "Eq" (did you mean eq?)`},
		"{{#unles a b}}{{/unles}}":      {`line 1: unknown helper "unles" (did you mean unless?)`},
		"{{formatDate executionStart}}": {`line 1: unknown helper "formatDate"`},
		"{{if a}}":                      {`line 1: "if" is a block: write {{#if}}`},
	} {
		if diff := cmp.Diff(want, template.Misfits(source)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", source, diff)
		}
	}
}

func TestMisfitsOfFiles_includePartials(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	mail := file("mail.handlebars", "{{upper a}}\n{{> footer}}{{> elsewhere}}")
	footer := file("partials/footer.handlebars", "\n\n{{lower a}}{{> footer}}")
	broken := file("broken.handlebars", "{{#if a}}")
	want := []string{"template " + mail + `: line 1: unknown helper "upper"`, "partial " + footer + `: line 3: unknown helper "lower"`}
	if diff := cmp.Diff(want, template.MisfitsOfFiles([]string{filepath.Join(dir, "missing"), mail, broken})); diff != "" {
		t.Errorf("misfits (-want +got):\n%s", diff)
	}
	for _, files := range [][]string{nil, {broken}, {filepath.Join(dir, "missing")}} {
		if got := template.MisfitsOfFiles(files); got != nil {
			t.Errorf("%v: want nothing, got %v", files, got)
		}
	}
}
