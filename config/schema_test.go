package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestSchema_everyRowIsComplete(t *testing.T) {
	files := map[string][]byte{"schema.yaml": coreSchema}
	for _, f := range fragments(t) {
		files[f.Section] = f.YAML
	}
	for name, data := range files {
		var rows []row
		if err := yaml.Unmarshal(data, &rows); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, r := range rows {
			if article[r.Type] == "" {
				t.Errorf("%s: %s has the unknown type %q", name, r.Key, r.Type)
			}
			if r.Doc == "" || strings.HasSuffix(r.Doc, ".") || strings.Contains(r.Doc, "\n") {
				t.Errorf("%s: %s wants one line of documentation without a full stop, has %q", name, r.Key, r.Doc)
			}
			inItem := strings.Contains(r.Key, "[]")
			if r.Type != kindSection && r.Default.IsZero() && r.Alias == "" && (!inItem || !r.Required) {
				t.Errorf("%s: %s has no default", name, r.Key)
			}
			if strings.HasSuffix(r.Key, ".enable") && r.Type != kindBool {
				t.Errorf("%s: %s is no switch", name, r.Key)
			}
			if strings.HasSuffix(r.Key, ".rateLimit") && r.Type != kindSection && r.Type != kindNum {
				t.Errorf("%s: %s is a time in seconds, and wants to take half of one", name, r.Key)
			}
		}
	}
}

func TestSchema_aMissingSwitchIsOff(t *testing.T) {
	on := map[string]bool{
		"udpServerConfig.deduplication.enable": true, // repeated events must not alert twice
		"operations.enable":                    true, // a service without health is not operable
	}
	for _, group := range []string{"dropCounters", "messageCounters", "queueState", "processingTimes", "dedup", "rateLimit"} {
		on["udpServerConfig.queueMetrics.influxdb.metrics."+group+".enable"] = true // a part of what has a switch of its own
	}
	for n := range schema(t).values {
		if n.name == "enable" && n.Alias == "" && n.fallback != on[n.path] {
			t.Errorf("%s: want the default %v, got %v", n.path, on[n.path], n.fallback)
		}
	}
}

func TestSchema_everyKeyHasAVariableOfItsOwn(t *testing.T) {
	seen := map[string]string{}
	for n := range schema(t).values {
		name := EnvName(n.path)
		if strings.Contains(n.path, "_") {
			t.Errorf("%s holds an underscore: its variable is ambiguous", n.path)
		}
		if seen[name] != "" && n.Alias == "" {
			t.Errorf("%s and %s share the variable %s", seen[name], n.path, name)
		}
		if n.Alias == "" {
			seen[name] = n.path
		}
	}
}

func TestSchema_knowsEverySwitchByPosition(t *testing.T) {
	n := schema(t).find("slackNotification.reloadTaskFailure.webhookURL")
	var got []string
	for _, s := range n.switches() {
		got = append(got, s.path)
	}
	if want := "slackNotification.reloadTaskFailure.enable slackNotification.enable"; strings.Join(got, " ") != want {
		t.Errorf("want the switches %q, got %q", want, got)
	}
}

func TestSchema_refusesABrokenFragment(t *testing.T) {
	for name, text := range map[string]string{
		"no YAML":            "- {key: [",
		"unknown column":     "- {key: x.a, type: bool, colour: red}",
		"like nothing":       "- {key: x, type: section, like: y.a}",
		"twice":              "- {key: x.a, type: bool}\n- {key: x.a, type: bool}",
		"bad default":        "- {key: x.a, type: port, default: 0}",
		"enum of nothing":    "- {key: x.a, type: enum}",
		"list of nothing":    "- {key: x.a, type: list}",
		"item of no list":    "- {key: x.a, type: str}\n- {key: 'x.a[].b', type: str}",
		"collides with core": "- {key: journal.directory, type: path}",
	} {
		t.Run(name, func(t *testing.T) {
			section := "x"
			if name == "collides with core" {
				section = "journal"
			}
			if _, err := Load(Options{Schemas: []SchemaFragment{{Section: section, YAML: []byte(text)}}}); err == nil {
				t.Error("want an error")
			}
		})
	}
}

// The complete files were made from the reference, not from the schemas; what
// they hold must be known here, down to the keys of list items.
func TestSchema_coversTheCompleteFiles(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "flat-influxdb.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Butler map[string]any `yaml:"Butler"`
	}
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	root := schema(t)
	count := 0
	var walk func(v any, n *node)
	walk = func(v any, n *node) {
		switch v := v.(type) {
		case map[string]any:
			for name, below := range v {
				c := n.child(name)
				if c == nil {
					if !n.Extra {
						t.Errorf("%s.%s is unknown", n.path, name)
					}
					continue
				}
				count++
				walk(below, c)
			}
		case []any:
			for _, below := range v {
				if n.item != nil {
					walk(below, n.item)
				}
			}
		}
	}
	walk(doc.Butler, root)
	if count < 850 {
		t.Errorf("want a complete file, got %d keys", count)
	}
}

// A sample that counts where a key is absent would end up in a message.
func TestSchema_noDefaultIsASample(t *testing.T) {
	for n := range schema(t).values {
		text, _ := n.fallback.(string)
		if n.isSample(text) || strings.Contains(text, "mytenant") || strings.Contains(text, "mycompany") {
			t.Errorf("%s: the default %q is a sample", n.path, text)
		}
	}
}
