package destinationtest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"butler/internal/destination"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// Updating reports whether -update is given: the files that a test compares are rewritten.
func Updating() bool { return *update }

// goldenName names the golden file of a sample: the instance, its kind where the name does not say it, and the form.
func (fx Fixture) goldenName(i destination.Instance, s Sample) string {
	_, name, _ := strings.Cut(i.Name, "/")
	if !strings.Contains(name, string(s.Alert.Kind)) {
		name += "_" + string(s.Alert.Kind)
	}
	if fx.Variant != "" {
		name = fx.Variant + "_" + name
	}
	return strings.ReplaceAll(name, "/", "_") + "_" + string(s.Form)
}

// Golden compares got with testdata/<name>.golden, or rewrites that file with
// -update. Characters that an editor or git would not keep stand in the file as
// their code, such as <U+000D>, and the file ends with a line break.
func Golden(tb testing.TB, name, got string) {
	tb.Helper()
	got = visible(got)
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			tb.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		tb.Fatalf("%v (go test -update writes it)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		tb.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

func visible(s string) string {
	var out strings.Builder
	for _, r := range s {
		if r != '\n' && r != '\t' && !unicode.IsGraphic(r) {
			fmt.Fprintf(&out, "<%U>", r)
			continue
		}
		out.WriteRune(r)
	}
	return strings.TrimSuffix(out.String(), "\n") + "\n"
}
