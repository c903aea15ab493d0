package destinationtest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"go.yaml.in/yaml/v3"

	"butler/internal/destination"
)

// Decoder returns a function that reads sections of a YAML text as the program
// does: keys in any case, aliases resolved, defaults of the schema filled in,
// keys that the schema does not know refused. The text begins at the section,
// with or without the root key Butler.
func Decoder(text string, schema []byte) destination.Decode {
	return func(section string, into any) error {
		root, err := parseConfig(text)
		if err != nil {
			return err
		}
		rows, err := parseSchema(schema)
		if err != nil {
			return err
		}
		keys := keyTree(rows)
		for _, row := range rows {
			if row.Alias != "" {
				moveAlias(root, row.Key, row.Alias)
			}
		}
		value, err := keys.fill(root, "")
		if err != nil {
			return err
		}
		value = at(value, strings.Split(strings.ToLower(section), "."))
		decoder, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
			Result: into,
			DecodeHook: mapstructure.ComposeDecodeHookFunc(
				mapstructure.StringToTimeDurationHookFunc(), mapstructure.TextUnmarshallerHookFunc(),
			),
		})
		if err != nil {
			return err
		}
		return decoder.Decode(value)
	}
}

// at returns the value at a path. "routes[]" stands for each item of a list.
func at(value any, path []string) any {
	if len(path) == 0 {
		return value
	}
	inner, _ := value.(map[string]any)
	name, isList := strings.CutSuffix(path[0], "[]")
	if !isList {
		return at(inner[name], path[1:])
	}
	items, _ := inner[name].([]any)
	out := make([]any, 0, len(items))
	for _, item := range items {
		out = append(out, at(item, path[1:]))
	}
	return out
}

func parseConfig(text string) (map[string]any, error) {
	var root map[string]any
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		return nil, fmt.Errorf("parse the sample configuration: %w", err)
	}
	root, _ = lowered(root).(map[string]any)
	if inner, ok := root["butler"].(map[string]any); ok {
		return inner, nil
	}
	return root, nil
}

// lowered returns v with every key of every map in lower case.
func lowered(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, value := range v {
			out[strings.ToLower(key)] = lowered(value)
		}
		return out
	case []any:
		out := make([]any, 0, len(v))
		for _, item := range v {
			out = append(out, lowered(item))
		}
		return out
	}
	return v
}

// moveAlias gives the value of an alias to the key it stands for, unless that key has one.
func moveAlias(root map[string]any, alias, key string) {
	from, fromName := parentOf(root, alias, false)
	value, set := from[fromName]
	if !set {
		return
	}
	delete(from, fromName)
	if to, toName := parentOf(root, key, true); to[toName] == nil {
		to[toName] = value
	}
}

// parentOf finds the map that holds the last name of a key, making the maps on the way if asked to.
func parentOf(root map[string]any, key string, create bool) (map[string]any, string) {
	names := strings.Split(strings.ToLower(key), ".")
	for _, name := range names[:len(names)-1] {
		next, ok := root[name].(map[string]any)
		if !ok {
			if !create {
				return nil, ""
			}
			next = map[string]any{}
			root[name] = next
		}
		root = next
	}
	return root, names[len(names)-1]
}

// schemaRow is one row of a schema.yaml.
type schemaRow struct {
	Key     string `yaml:"key"`
	Type    string `yaml:"type"`
	Default any    `yaml:"default"`
	Alias   string `yaml:"alias"`
	Extra   bool   `yaml:"extra"`
	Bare    bool   `yaml:"bare"`
	Like    string `yaml:"like"`
	Doc     string `yaml:"doc"`
}

// parseSchema reads the rows of a schema.yaml.
func parseSchema(text []byte) ([]schemaRow, error) {
	var rows []schemaRow
	if err := yaml.Unmarshal(text, &rows); err != nil {
		return nil, fmt.Errorf("parse schema.yaml: %w", err)
	}
	return rows, nil
}

// keyNode is a key with the keys below it; for a list of objects these are the keys of an item.
type keyNode struct {
	row   schemaRow
	list  bool
	below map[string]*keyNode
}

// programRows are what the program's own schema says of sections that destinations add to.
var programRows = []schemaRow{
	{Key: "routes", Type: "list"},
	{Key: "routes[].name"},
	{Key: "routes[].match", Extra: true, Type: "section"},
	{Key: "routes[].continue", Default: false},
	{Key: "serviceMonitor", Extra: true, Type: "section"},
	{Key: "qlikSenseLicense.serverLicenseMonitor", Extra: true, Type: "section"},
	{Key: "qlikSenseCloud", Extra: true, Type: "section"},
}

func keyTree(rows []schemaRow) *keyNode {
	root := &keyNode{below: map[string]*keyNode{}, row: schemaRow{Extra: true}}
	for _, row := range slices.Concat(programRows, rows) {
		at := root.reach(row.Key)
		at.row = row
		at.list = at.list || row.Type == "list" && row.Like != ""
		if row.Like == "" {
			continue
		}
		for name, key := range root.reach(row.Like).below {
			if name != "enable" || !at.list {
				at.below[name] = key.clone()
			}
		}
	}
	return root
}

// reach returns the key at a path, and makes it and those around it.
func (n *keyNode) reach(path string) *keyNode {
	for _, name := range strings.Split(strings.ToLower(path), ".") {
		name, isList := strings.CutSuffix(name, "[]")
		next, ok := n.below[name]
		if !ok {
			next = &keyNode{below: map[string]*keyNode{}}
			n.below[name] = next
		}
		next.list = next.list || isList
		n = next
	}
	return n
}

// has reports whether there is a key at a path.
func (n *keyNode) has(path string) bool {
	for _, name := range strings.Split(strings.ToLower(path), ".") {
		if n = n.below[name]; n == nil {
			return false
		}
	}
	return true
}

func (n *keyNode) clone() *keyNode {
	out := &keyNode{row: n.row, list: n.list, below: map[string]*keyNode{}}
	for name, key := range n.below {
		out.below[name] = key.clone()
	}
	return out
}

// fill returns value with the defaults of the schema; path is where it stands, for the error.
func (n *keyNode) fill(value any, path string) (any, error) {
	if len(n.below) == 0 && (!n.row.Extra || n.row.Type != "section") {
		if value == nil {
			return n.row.Default, nil
		}
		return value, nil
	}
	if !n.list {
		return n.fillObject(value, path)
	}
	items, _ := value.([]any)
	out := make([]any, 0, len(items))
	for i, item := range items {
		filled, err := n.fillObject(n.unfolded(item), fmt.Sprintf("%s[%d]", path, i))
		if err != nil {
			return nil, err
		}
		out = append(out, filled)
	}
	return out, nil
}

// unfolded returns an item that is written as the value of its bare key alone as
// the object that it stands for.
func (n *keyNode) unfolded(item any) any {
	text, isText := item.(string)
	for name, key := range n.below {
		if isText && key.row.Bare {
			return map[string]any{name: text}
		}
	}
	return item
}

func (n *keyNode) fillObject(value any, path string) (any, error) {
	given, ok := value.(map[string]any)
	if !ok && value != nil {
		return nil, fmt.Errorf("configuration key %s holds %v, want keys below it", path, value)
	}
	out := map[string]any{}
	for name, value := range given {
		if n.row.Extra && n.below[name] == nil {
			out[name] = value
		}
		if n.below[name] == nil && !n.row.Extra {
			return nil, fmt.Errorf("configuration key %s.%s is not in the schema", path, name)
		}
	}
	for name, key := range n.below {
		if key.row.Alias != "" {
			continue
		}
		filled, err := key.fill(given[name], strings.TrimPrefix(path+"."+name, "."))
		if err != nil {
			return nil, err
		}
		if filled != nil {
			out[name] = filled
		}
	}
	return out, nil
}

var yamlBlock = regexp.MustCompile("(?s)```ya?ml\n(.*?)```")

// yamlBlocks returns the fenced YAML of a README.
func yamlBlocks(readme string) []string {
	var out []string
	for _, found := range yamlBlock.FindAllStringSubmatch(readme, -1) {
		out = append(out, found[1])
	}
	return out
}

// leafName returns the last name of a key: "webhookURL" of "a.webhooks[].webhookURL".
func leafName(key string) string {
	parts := strings.Split(strings.ReplaceAll(key, "[]", ""), ".")
	return parts[len(parts)-1]
}
