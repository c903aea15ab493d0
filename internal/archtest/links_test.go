package archtest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// pages returns every Markdown file of the tree, by its path from the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	root, out := filepath.Join("..", ".."), map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		hidden := strings.HasPrefix(entry.Name(), ".") && path != root
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (hidden || entry.Name() == "testdata"):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		text, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		out[filepath.ToSlash(name)] = strings.ReplaceAll(string(text), "\r\n", "\n")
		return err
	})
	if err != nil || len(out) < 20 {
		t.Fatalf("want the pages of the tree, got %d, %v", len(out), err)
	}
	return out
}

// The text of code is no Markdown, be it a block or a word.
var (
	block = regexp.MustCompile("(?ms)^ *```.*?^ *```[^\\n]*$")
	word  = regexp.MustCompile("`[^`\\n]+`")
)

// prose returns a page without its code.
func prose(text string) string { return word.ReplaceAllString(block.ReplaceAllString(text, ""), "") }

// anchorsOf returns the anchors that the headings of a page get where it is shown.
func anchorsOf(text string) []string {
	var out []string
	seen := map[string]int{}
	text = block.ReplaceAllString(text, "")
	for _, heading := range regexp.MustCompile(`(?m)^#{1,6} +(.*)$`).FindAllStringSubmatch(text, -1) {
		title := regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(heading[1], "$1")
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, title)
		seen[anchor]++
		if n := seen[anchor]; n > 1 {
			anchor = fmt.Sprintf("%s-%d", anchor, n-1)
		}
		out = append(out, anchor)
	}
	return out
}

// link matches a link of Markdown that is written in its text.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestPages_everyLinkLeadsSomewhere(t *testing.T) {
	all := pages(t)
	checked := 0
	for name, text := range all {
		for _, m := range link.FindAllStringSubmatch(prose(text), -1) {
			if strings.Contains(m[1], "://") || strings.HasPrefix(m[1], "mailto:") {
				continue
			}
			checked++
			path, anchor, hasAnchor := strings.Cut(m[1], "#")
			target := name
			if path != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(name), path))
			}
			if _, err := os.Stat(filepath.Join("..", "..", target)); err != nil {
				t.Errorf("%s: the link %s leads to %s, which does not exist", name, m[1], target)
				continue
			}
			if hasAnchor && !slices.Contains(anchorsOf(all[target]), anchor) {
				t.Errorf("%s: the link %s leads to no heading of %s", name, m[1], target)
			}
		}
	}
	if checked < 100 {
		t.Errorf("want the links of the pages, got %d", checked)
	}
}

// Whoever opens the folder finds every page from its index.
func TestPages_theIndexHasThemAll(t *testing.T) {
	all := pages(t)
	var found []string
	for _, m := range link.FindAllStringSubmatch(prose(all["docs/README.md"]), -1) {
		path, _, _ := strings.Cut(m[1], "#")
		found = append(found, filepath.ToSlash(filepath.Join("docs", path)))
	}
	for name := range all {
		folder := filepath.ToSlash(filepath.Dir(name))
		wanted := folder == "docs" && name != "docs/README.md" || name == "SECURITY.md" ||
			strings.HasPrefix(folder, "internal/destination/") && folder != "internal/destination/destinationtest"
		if wanted && !slices.Contains(found, name) {
			t.Errorf("docs/README.md: want a link to %s", name)
		}
	}
}

func TestAnchors_areThoseOfTheHeadings(t *testing.T) {
	got := anchorsOf("# The journal: size, full disk\n```\n# no heading\n```\n## `/health` and [links](x.md)\n## Twice\n## Twice\n")
	want := []string{"the-journal-size-full-disk", "health-and-links", "twice", "twice-1"}
	if !slices.Equal(got, want) {
		t.Errorf("want %q, got %q", want, got)
	}
}

func TestPages_everyMetricNamedExists(t *testing.T) {
	all := pages(t)
	metric := regexp.MustCompile(`\bbutler_[a-z]+(_[a-z]+)+`)
	known := metric.FindAllString(all["docs/metrics.md"], -1)
	for name, text := range all {
		if strings.HasPrefix(name, "internal/destination/") {
			continue // measurements of InfluxDB look alike
		}
		for _, m := range metric.FindAllString(text, -1) {
			m = strings.TrimSuffix(m, "_bucket")
			if !slices.Contains(known, m) {
				t.Errorf("%s: there is no metric %s", name, m)
			}
		}
	}
	if len(known) < 50 {
		t.Errorf("want the metrics of the generated page, got %d", len(known))
	}
}

// The map is of this tree.
func TestPages_everyPathOfTheMapExists(t *testing.T) {
	path := regexp.MustCompile("`((?:actors|api|bench|cmd|config|deploy|docs|internal|messages|supervisors)/[^`\\s]*)`")
	checked := 0
	for _, m := range path.FindAllStringSubmatch(pages(t)["docs/architecture.md"], -1) {
		checked++
		if found, _ := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(m[1]))); len(found) == 0 {
			t.Errorf("docs/architecture.md: there is no %s", m[1])
		}
	}
	if checked < 20 {
		t.Errorf("want the paths of the map, got %d", checked)
	}
}
