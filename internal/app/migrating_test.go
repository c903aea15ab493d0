package app_test

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"butler/config"
	"butler/internal/app"
)

// change is what testdata/migrating.yaml says of some keys.
type change struct {
	Keys     []string
	Was, Now string
}

// oldKey is a key of the Node.js tool with the value that its template ships.
type oldKey struct {
	path  string
	value *yaml.Node
}

// oldKeys lists the keys below a node of the template, in its order.
func oldKeys(path string, node *yaml.Node) []oldKey {
	var out []oldKey
	switch {
	case node.Kind == yaml.MappingNode && len(node.Content) > 0:
		for i := 0; i < len(node.Content); i += 2 {
			out = append(out, oldKeys(strings.TrimPrefix(path+"."+node.Content[i].Value, "."), node.Content[i+1])...)
		}
	case node.Kind == yaml.SequenceNode && len(node.Content) > 0 && node.Content[0].Kind == yaml.MappingNode:
		out = oldKeys(path+"[]", node.Content[0])
	default:
		out = []oldKey{{path: path, value: node}}
	}
	return out
}

// template reads a complete file of the tool.
func template(t *testing.T, name string) []oldKey {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "config", "testdata", name))
	must(t, err)
	var document struct {
		Butler yaml.Node `yaml:"Butler"`
	}
	must(t, yaml.Unmarshal(raw, &document))
	return oldKeys("", &document.Butler)
}

// matcher makes a pattern of paths an expression.
func matcher(pattern string) *regexp.Regexp {
	quoted := regexp.QuoteMeta(pattern)
	quoted = strings.ReplaceAll(quoted, `\*\*\.`, `(?:.+\.)?`)
	quoted = strings.ReplaceAll(quoted, `\*\*`, `.+`)
	return regexp.MustCompile("^" + strings.ReplaceAll(quoted, `\*`, `[^.]*`) + "$")
}

// placeholder matches values of the template that nobody runs with.
var placeholder = regexp.MustCompile(`^Sample |/path/|^path/|<|example\.com|mycompany|10\.11\.12\.13|my-`)

// otherDefault tells of a default that is not the value of the template.
func otherDefault(old oldKey, now config.Key) string {
	was, is := old.value.Value, now.Default
	if text, err := strconv.Unquote(is); err == nil {
		is = text
	}
	counts := slices.Contains([]string{"!!bool", "!!int", "!!float"}, old.value.Tag) || old.value.Tag == "!!str" && is != ""
	if old.value.Kind != yaml.ScalarNode || !counts || was == is || placeholder.MatchString(was) || strings.Contains(old.path, "[]") {
		return ""
	}
	return fmt.Sprintf("`%s` where the key is absent; the template has `%s`", is, was)
}

// migration is the table: what changes for each key, "" for nothing.
func migration(t *testing.T) (keys []string, changes map[string][2]string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "migrating.yaml"))
	must(t, err)
	var written []change
	must(t, yaml.Unmarshal(raw, &written))
	listed, err := config.Keys(app.Schemas())
	must(t, err)
	now := map[string]config.Key{}
	for _, k := range listed {
		now[k.Path] = k
	}
	changes = map[string][2]string{}
	used := map[string]bool{}
	for _, old := range slices.Concat(template(t, "full-butler.yaml"), template(t, "flat-influxdb.yaml")) {
		k, known := now[old.path]
		if slices.Contains(keys, old.path) || strings.HasSuffix(old.path, "[].note") { // a remark of somebody, where any key is accepted
			continue
		}
		keys = append(keys, old.path)
		verdict, text := "", []string{}
		switch reason, ignored := strings.CutPrefix(k.Doc, "Accepted"); {
		case !known && !strings.HasPrefix(old.path, "influxDb."):
			t.Errorf("%s: want to know what became of this key of the tool", old.path)
		case !known:
			verdict, text = "renamed", append(text, "`influxDb.v1Config."+strings.TrimPrefix(old.path, "influxDb.")+"`; the old name works")
		case ignored:
			verdict, text = "no effect", append(text, strings.TrimSpace(strings.TrimLeft(strings.TrimPrefix(reason, " and ignored"), ":, ")))
		}
		for _, c := range written {
			for _, pattern := range c.Keys {
				if matcher(pattern).MatchString(old.path) {
					used[pattern] = true
					verdict = cmp.Or(verdict, map[string]string{"": "differs", "ignored": "works now"}[c.Was])
					text = append(text, c.Now)
				}
			}
		}
		if other := otherDefault(old, k); known && other != "" {
			verdict, text = cmp.Or(verdict, "default"), append(text, other)
		}
		if verdict != "" {
			changes[old.path] = [2]string{verdict, strings.Join(text, "; ")}
		}
	}
	for _, c := range written {
		for _, pattern := range c.Keys {
			if !used[pattern] {
				t.Errorf("testdata/migrating.yaml: no key of the tool is %s", pattern)
			}
		}
	}
	return keys, changes
}

// keysOfTheTool is the part of docs/migrating.md that is generated.
var keysOfTheTool = regexp.MustCompile(`(?s)(<!-- keys of the tool: generated -->\n).*(<!-- end of keys of the tool -->)`)

func TestDocs_migratingPageHasEveryKeyOfTheTool(t *testing.T) {
	keys, changes := migration(t)
	if len(keys) < 600 {
		t.Fatalf("want all keys of the tool, got %d", len(keys))
	}
	sections := map[string][]string{}
	var order []string
	for _, key := range keys {
		section, _, nested := strings.Cut(key, ".")
		if section, _, _ = strings.Cut(section, "[]"); !nested && !strings.Contains(key, "[]") {
			section = "Log and others"
		}
		if sections[section] == nil {
			order = append(order, section)
		}
		sections[section] = append(sections[section], key)
	}
	var out strings.Builder
	for _, section := range order {
		fmt.Fprintf(&out, "\n### %s\n", section)
		writeSection(&out, section, sections[section], changes)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "migrating.md"))
	must(t, err)
	if !keysOfTheTool.Match(page) {
		t.Fatal("want the marks of the generated part in docs/migrating.md")
	}
	golden(t, "docs/migrating.md", keysOfTheTool.ReplaceAllString(string(page), "${1}"+strings.ReplaceAll(out.String(), "$", "$$")+"\n${2}"))
}

// writeSection writes what changes for the keys of a section, in one row for all
// that change alike, and then those that do not.
func writeSection(out *strings.Builder, section string, keys []string, changes map[string][2]string) {
	alike := map[[2]string][]string{}
	var order [][2]string
	for _, key := range keys {
		c := changes[key]
		if alike[c] == nil && c[0] != "" {
			order = append(order, c)
		}
		alike[c] = append(alike[c], "`"+strings.TrimPrefix(key, section+".")+"`")
	}
	if len(order) > 0 {
		out.WriteString("\n| Key | | Now |\n|---|---|---|\n")
	}
	for _, c := range order {
		fmt.Fprintf(out, "| %s | %s | %s |\n", strings.Join(alike[c], "<br>"), c[0], c[1])
	}
	if same := alike[[2]string{}]; len(same) > 0 {
		writeSame(out, same)
	}
}

// writeSame writes keys that do not change: as a sentence, or one by one with what
// they belong to where that would be a long one.
func writeSame(out *strings.Builder, keys []string) {
	if sentence := strings.Join(keys, ", "); len(sentence) < 500 {
		out.WriteString("\n" + wrapped("As before: "+sentence+".", "") + "\n")
		return
	}
	groups := map[string][]string{}
	var order []string
	for _, key := range keys {
		group, _, of := strings.Cut(key, ".")
		if !of {
			group = ""
		}
		if groups[group] == nil {
			order = append(order, group)
		}
		groups[group] = append(groups[group], key)
	}
	out.WriteString("\nAs before:\n\n")
	for _, group := range order {
		out.WriteString(wrapped("- "+strings.Join(groups[group], ", "), "  ") + "\n")
	}
}

// wrapped breaks a text at spaces into lines of about 150 bytes; those after the
// first begin with indent.
func wrapped(text, indent string) string {
	var out strings.Builder
	length := 0
	for word := range strings.SplitSeq(text, " ") {
		switch {
		case length == 0:
		case length+len(word) < 150:
			word = " " + word
		default:
			out.WriteString("\n")
			word, length = indent+word, 0
		}
		out.WriteString(word)
		length += len(word)
	}
	return out.String()
}
