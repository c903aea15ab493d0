package archtest

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The commands of a page that run this tree: in a block or a word of code.
var (
	makeCommand = regexp.MustCompile("(?m)(?:^ *|`)make ([a-z][^`\n#]*)")
	testCommand = regexp.MustCompile("(?m)(?:^ *|`)go test ([^`\n#]*)")
	runPattern  = regexp.MustCompile(`-(run|bench) '?([^' ]+)'?`)
	makeTarget  = regexp.MustCompile(`(?m)^([a-z-]+):`)
	makeSetting = regexp.MustCompile(`(?m)^([A-Z]+) +\?=`)
	benchOf     = regexp.MustCompile(`\bBENCH="?([^"]*)"?`)
)

// code returns what prose leaves out, with the escape that a table needs taken out.
func code(text string) string {
	found := slices.Concat(block.FindAllString(text, -1), word.FindAllString(block.ReplaceAllString(text, ""), -1))
	return strings.ReplaceAll(strings.Join(found, "\n"), `\|`, "|")
}

func TestPages_everyMakeCommandShownExists(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	known := append(firstGroups(makeTarget, string(text)), firstGroups(makeSetting, string(text))...)
	checked := 0
	for name, text := range pages(t) {
		for _, command := range firstGroups(makeCommand, code(text)) {
			checked++
			for _, chosen := range firstGroups(benchOf, command) {
				for scenario := range strings.FieldsSeq(chosen) {
					if found, _ := filepath.Glob(filepath.Join("..", "..", "bench", "scenarios", "*-"+scenario+".yaml")); len(found) == 0 {
						t.Errorf("%s: make %s: there is no scenario %s", name, command, scenario)
					}
				}
			}
			for part := range strings.FieldsSeq(benchOf.ReplaceAllString(command, "BENCH=")) {
				word, _, _ := strings.Cut(part, "=")
				if !slices.Contains(known, word) {
					t.Errorf("%s: make %s: the Makefile has no %s", name, command, word)
				}
			}
		}
	}
	if checked < 20 {
		t.Errorf("want the make commands of the pages, got %d", checked)
	}
}

// A pattern that matches no test passes, and proves nothing.
func TestPages_everyTestCommandShownRunsSomething(t *testing.T) {
	checked := 0
	for name, text := range pages(t) {
		for _, m := range testCommand.FindAllStringSubmatch(code(text), -1) {
			declared := declaredIn(t, m[1])
			for _, chosen := range runPattern.FindAllStringSubmatch(m[1], -1) {
				kind := map[string]string{"run": "Test", "bench": "Benchmark"}[chosen[1]]
				for _, one := range strings.Split(chosen[2], "|") {
					if one == "^$" { // nothing, on purpose
						continue
					}
					checked++
					pattern := regexp.MustCompile(one)
					if !slices.ContainsFunc(declared, func(n string) bool { return strings.HasPrefix(n, kind) && pattern.MatchString(n) }) {
						t.Errorf("%s: go test %s: nothing matches %s", name, m[1], one)
					}
				}
			}
		}
	}
	if checked < 5 {
		t.Errorf("want the go test commands of the pages, got %d", checked)
	}
}

// declaredIn returns the tests and benchmarks of the packages that a command names.
func declaredIn(t *testing.T, command string) []string {
	t.Helper()
	declaration := regexp.MustCompile(`(?m)^func ((?:Test|Benchmark)\w*)\(`)
	var out []string
	for _, argument := range strings.Fields(command) {
		folder, isPackage := strings.CutPrefix(argument, "./")
		if !isPackage {
			continue
		}
		folder, below := strings.CutSuffix(folder, "...")
		root := filepath.Join("..", "..", folder)
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && path != root && (!below || strings.HasPrefix(entry.Name(), ".")):
				return fs.SkipDir
			case entry.IsDir() || !strings.HasSuffix(path, "_test.go"):
				return nil
			}
			text, err := os.ReadFile(path)
			out = append(out, firstGroups(declaration, string(text))...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// firstGroups returns what the first group of a pattern matches, everywhere.
func firstGroups(of *regexp.Regexp, text string) []string {
	var out []string
	for _, m := range of.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}
