package bench

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A benchmark that the committed results have and the source lacks would silently be
// compared with nothing.
func TestMicro_everyBenchmarkOfTheBaselineExistsAndIsRun(t *testing.T) {
	results, err := os.ReadFile("results/micro.txt")
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	chosen := regexp.MustCompile(`(?m)^MICRO +=.*$`).Find(makefile)
	packages := regexp.MustCompile(`(?m)^MICROPKGS +=.*$`).Find(makefile)
	run := regexp.MustCompile(`\b(` + strings.TrimSpace(strings.SplitN(string(chosen), "=", 2)[1]) + `)\b`)
	seen := map[string]bool{}
	var sources string
	for line := range strings.Lines(string(results)) {
		if directory, isPackage := strings.CutPrefix(strings.TrimSpace(line), "pkg: butler/"); isPackage {
			if !strings.Contains(string(packages)+" ", "./"+directory+" ") {
				t.Errorf("make micro does not run the benchmarks of %s, which the baseline has", directory)
			}
			sources = testsOf(t, filepath.Join("..", directory))
			continue
		}
		name := regexp.MustCompile(`^Benchmark\w+`).FindString(line)
		if name == "" || seen[name] {
			continue
		}
		seen[name] = true
		if !strings.Contains(sources, "func "+name+"(") {
			t.Errorf("the baseline has %s, which no test file declares", name)
		}
		if !run.MatchString(strings.TrimPrefix(strings.SplitN(name, "-", 2)[0], "Benchmark")) {
			t.Errorf("make micro does not run %s, which the baseline has", name)
		}
	}
	if want := len(strings.Split(string(chosen), "|")); len(seen) != want {
		t.Errorf("make micro runs %d benchmarks, the baseline has %d", want, len(seen))
	}
}

// testsOf returns the test files of a package.
func testsOf(t *testing.T, directory string) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(directory, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
