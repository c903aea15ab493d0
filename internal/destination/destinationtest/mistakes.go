package destinationtest

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var itemIndex = regexp.MustCompile(`\[[0-9]+\]`)

// testMistakes holds Check against its promise: every mistake at once, under a
// path that the schema knows, with a reason and without a secret; and what is
// wrong is not built.
func (fx Fixture) testMistakes(t *testing.T) {
	rows, err := parseSchema(fx.Definition.Schema)
	if err != nil {
		t.Fatal(err)
	}
	keys := keyTree(rows)
	if want := min(2, settable(rows)); len(fx.MistakenPaths) < want {
		t.Fatalf("the fixture has %d mistakes, want %d at least", len(fx.MistakenPaths), want)
	}
	problems, err := fx.Definition.Check(Decoder(fx.Mistakes, fx.Definition.Schema), Deps(t))
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	wrong := false
	for _, p := range problems {
		paths = append(paths, p.Path)
		wrong = wrong || !p.Warning
		if !keys.has(itemIndex.ReplaceAllString(p.Path, "")) {
			t.Errorf("%s is no key of the schema", p.Path)
		}
		if p.Reason == "" || strings.HasSuffix(p.Reason, ".") {
			t.Errorf("%s: want a reason without a full stop, got %q", p.Path, p.Reason)
		}
		if i := slices.IndexFunc(fx.Secrets, func(s string) bool { return strings.Contains(p.Error(), s) }); i >= 0 {
			t.Errorf("the problem shows the secret %q: %s", fx.Secrets[i], p)
		}
	}
	if diff := cmp.Diff(fx.MistakenPaths, paths); diff != "" {
		t.Errorf("what is wrong (-want +got):\n%s", diff)
	}
	if !wrong {
		t.Error("every mistake is only a warning")
	}
	if _, err := fx.Definition.Build(Decoder(fx.Mistakes, fx.Definition.Schema), Deps(t)); err == nil {
		t.Error("the mistaken configuration builds")
	}
}

// settable counts the keys of a schema that can be mistaken: all but switches.
func settable(rows []schemaRow) int {
	count := 0
	for _, row := range rows {
		if row.Type != "section" && !strings.HasSuffix(row.Key, ".enable") {
			count++
		}
	}
	return count
}
