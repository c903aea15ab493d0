package template

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"butler/internal/template/handlebars"
	"butler/internal/text"
)

// CheckFiles returns why the first of files that exists cannot be used as a template, or
// that none exists. Without any files it returns nil: the built-in template is used.
func CheckFiles(files []string) error {
	if len(files) == 0 {
		return nil
	}
	path := firstExisting(files)
	if _, err := NewSet(Text, nil).parseFile(path); err != nil {
		return fmt.Errorf("template %s: %w", path, err)
	}
	return nil
}

// Misfits returns the parts of a template that fail whenever they are evaluated, such as
// helpers that do not exist, with their lines and suggestions.
func Misfits(source string) []string {
	parsed, err := handlebars.Parse(source)
	if err != nil {
		return nil
	}
	return misfits(parsed.Survey())
}

// MisfitsOfFiles is Misfits for the first of files that exists, and for the partials in its
// folder that it includes by a constant name.
func MisfitsOfFiles(files []string) []string {
	if len(files) == 0 {
		return nil
	}
	var out, seen []string
	set, path := NewSet(Text, nil), firstExisting(files)
	beside := filepath.Join(filepath.Dir(path), partialsDir)
	var survey func(what string, t *handlebars.Template, err error)
	survey = func(what string, t *handlebars.Template, err error) {
		if err != nil {
			return // reported elsewhere
		}
		found := t.Survey()
		for _, m := range misfits(found) {
			out = append(out, what+": "+m)
		}
		for _, name := range found.Partials {
			if !slices.Contains(seen, name) {
				seen = append(seen, name)
				inner, err := set.partial([]string{beside}, name)
				survey("partial "+filepath.Join(beside, filepath.FromSlash(name)+Extension), inner, err)
			}
		}
	}
	t, err := set.parseFile(path)
	survey("template "+path, t, err)
	return out
}

func misfits(found handlebars.Survey) []string {
	var out []string
	for _, m := range found.Misfits {
		what := m.Err.Error()
		if near := text.Nearest(m.Name, handlebars.Helpers()); near != "" && near != m.Name {
			what += fmt.Sprintf(" (did you mean %s?)", near)
		}
		out = append(out, what)
	}
	return out
}

// Helpers returns the names of all helpers, separated by commas.
func Helpers() string { return strings.Join(handlebars.Helpers(), ", ") }
