package config

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed schema.yaml
var coreSchema []byte

// SchemaFragment describes the keys that an owner brings along, such as a destination.
type SchemaFragment struct {
	// Section names the owner in errors: "slackNotification".
	Section string
	// YAML is the list of rows; schema.yaml explains the columns.
	YAML []byte
}

// kind is the type of a key's value.
type kind string

const (
	kindSection  kind = "section"
	kindBool     kind = "bool"
	kindInt      kind = "int"
	kindNum      kind = "num"
	kindPort     kind = "port"
	kindStr      kind = "str"
	kindSecret   kind = "secret"
	kindURI      kind = "uri"
	kindHost     kind = "host"
	kindPath     kind = "path"
	kindEnum     kind = "enum"
	kindDuration kind = "duration"
	kindBytes    kind = "bytes"
	kindList     kind = "list"
)

// What a list holds.
const (
	ofObject = "object"
	ofPair   = "pair"
)

// row is one line of a schema file.
type row struct {
	Key      string    `yaml:"key"`
	Type     kind      `yaml:"type"`
	Of       string    `yaml:"of"`
	Values   []string  `yaml:"values"`
	Default  yaml.Node `yaml:"default"`
	Min      string    `yaml:"min"`
	Max      string    `yaml:"max"`
	Nullable bool      `yaml:"nullable"`
	Required bool      `yaml:"required"`
	Hidden   bool      `yaml:"hidden"`
	Bare     bool      `yaml:"bare"`
	Extra    bool      `yaml:"extra"`
	Always   bool      `yaml:"always"`
	Restart  bool      `yaml:"restart"`
	Strict   bool      `yaml:"strict"`
	Alias    string    `yaml:"alias"`
	Like     string    `yaml:"like"`
	Doc      string    `yaml:"doc"`

	// fallback is the parsed default; nil without one.
	fallback any
	// blank says that empty text satisfies Required.
	blank bool
}

// node is a key in the tree of all keys. A section that no row describes is
// implied by the rows below it.
type node struct {
	row
	name     string
	path     string
	parent   *node
	children []*node
	// item describes the items of a list of objects, as a section.
	item *node
	// copied says that the key was copied because of a row with "like"; a row of its
	// own may still replace it.
	copied bool
}

// isSection reports whether n holds further keys instead of a value.
func (n *node) isSection() bool { return n.Type == kindSection }

// child returns the key of that name directly below n, or nil.
func (n *node) child(name string) *node {
	for _, c := range n.children {
		if c.name == name {
			return c
		}
	}
	return nil
}

// find returns the key at a path below n, whatever its letter case, or nil.
func (n *node) find(path string) *node {
	at := n
	for name := range strings.SplitSeq(path, ".") {
		var next *node
		for _, c := range at.children {
			if strings.EqualFold(c.name, name) {
				next = c
			}
		}
		if next == nil {
			return nil
		}
		at = next
	}
	return at
}

// at returns the key at a path of a file, list items included ("webhooks[0].url"), or nil.
func (n *node) at(path string) *node {
	for name := range strings.SplitSeq(path, ".") {
		name, _, inItem := strings.Cut(name, "[")
		if n = n.child(name); n == nil {
			return nil
		}
		if inItem && n.item != nil {
			n = n.item
		}
	}
	return n
}

// values calls yield for every key below n that holds a value, in file order.
// The keys of list items are not among them.
func (n *node) values(yield func(*node) bool) {
	n.each(yield)
}

func (n *node) each(yield func(*node) bool) bool {
	for _, c := range n.children {
		if c.isSection() {
			if !c.each(yield) {
				return false
			}
			continue
		}
		if !yield(c) {
			return false
		}
	}
	return true
}

// switches returns the "enable" keys that decide whether n is in effect: those of the
// sections around it, without n itself, up to a section marked "always".
func (n *node) switches() []*node {
	var out []*node
	for s := n.parent; s != nil && !s.Always; s = s.parent {
		if e := s.child("enable"); e != nil && e != n && e.Type == kindBool {
			out = append(out, e)
		}
	}
	return out
}

// newSchema builds the tree of all keys: those of the service and those of the
// given fragments.
func newSchema(fragments []SchemaFragment) (*node, error) {
	root := &node{row: row{Type: kindSection}}
	if err := root.addAll(coreSchema); err != nil {
		return nil, fmt.Errorf("read schema.yaml: %w", err)
	}
	for _, f := range fragments {
		if err := root.addAll(f.YAML); err != nil {
			return nil, fmt.Errorf("read the schema of %s: %w", f.Section, err)
		}
	}
	return root, nil
}

// addAll adds the rows of one schema file.
func (n *node) addAll(schema []byte) error {
	var rows []row
	dec := yaml.NewDecoder(bytes.NewReader(schema))
	dec.KnownFields(true)
	if err := dec.Decode(&rows); err != nil {
		return err
	}
	for _, r := range rows {
		if err := n.add(r); err != nil {
			return fmt.Errorf("key %s: %w", r.Key, err)
		}
	}
	return nil
}

// add puts one row at its place.
func (n *node) add(r row) error {
	at := n
	names := strings.Split(r.Key, ".")
	for i, name := range names {
		name, inItem := strings.CutSuffix(name, "[]")
		last := i == len(names)-1
		next := at.child(name)
		if next == nil {
			next = at.sprout(name, row{Type: kindSection})
		}
		if last {
			if !next.copied && (next.Key != "" || len(next.children) > 0) {
				return fmt.Errorf("described twice, or after the keys below it")
			}
			next.row, next.copied = r, false
			if err := next.complete(); err != nil {
				return err
			}
			return n.copyTo(next, r.Like)
		}
		if inItem {
			if next.item == nil {
				return fmt.Errorf("%s is not a list of objects", next.path)
			}
			next = next.item
		}
		at = next
	}
	return nil
}

// copyTo gives a section, or the items of a list, the keys below another section. The
// items of a list are always on, so the switch is not copied to them.
func (n *node) copyTo(to *node, like string) error {
	if like == "" {
		return nil
	}
	from := n
	for name := range strings.SplitSeq(like, ".") {
		name, inItem := strings.CutSuffix(name, "[]")
		if from = from.child(name); from != nil && inItem {
			from = from.item
		}
		if from == nil {
			return fmt.Errorf("is to be like %s, which is not described before it", like)
		}
	}
	if to.item != nil {
		to = to.item
	}
	to.Extra = to.Extra || from.Extra
	for _, c := range from.children {
		if c.name != "enable" || !to.listItem() {
			to.graft(c)
		}
	}
	return nil
}

// strict reports whether an item with an empty required key is refused instead of
// ignored, because it would mean something else without the key.
func (n *node) strict() bool {
	for s := n; s != nil; s = s.parent {
		if s.Strict {
			return true
		}
	}
	return false
}

// needsRestart reports whether the key is read only when the service starts.
func (n *node) needsRestart() bool { return n.Restart || n.parent != nil && n.parent.needsRestart() }

// inItem reports whether n is a key of list items.
func (n *node) inItem() bool { return strings.Contains(n.path, "[]") }

// hasSwitch reports whether there is an "enable" key below n.
func (n *node) hasSwitch() bool {
	for below := range n.values {
		if below.name == "enable" && below.Type == kindBool {
			return true
		}
	}
	return false
}

// listItem reports whether n describes the items of a list.
func (n *node) listItem() bool { return strings.HasSuffix(n.path, "[]") }

// graft adds a copy of a key and of everything below it.
func (n *node) graft(original *node) {
	c := n.sprout(original.name, original.row)
	c.Key, c.copied, c.fallback = c.path, true, original.fallback
	for _, child := range original.children {
		c.graft(child)
	}
	if original.item != nil {
		c.item = &node{row: original.item.row, path: c.path + "[]", parent: c}
		for _, child := range original.item.children {
			c.item.graft(child)
		}
	}
}

// sprout adds a child.
func (n *node) sprout(name string, r row) *node {
	c := &node{row: r, name: name, path: name, parent: n}
	if n.path != "" {
		c.path = n.path + "." + name
	}
	n.children = append(n.children, c)
	return c
}

// complete checks a row that was just placed and prepares what it needs.
func (n *node) complete() error {
	switch {
	case n.Type == kindSection:
		return nil
	case n.Type == kindEnum && len(n.Values) == 0:
		return fmt.Errorf("an enum without values")
	case n.Type == kindList && (n.Of == ofObject || n.Of == ofPair):
		n.item = &node{row: row{Type: kindSection, Extra: n.Extra}, path: n.path + "[]", parent: n}
		if n.Of == ofPair {
			value := row{Type: kindStr, Required: true, blank: true}
			if n.Hidden { // a header, say, whose secret was not filled in
				value.Type, value.blank = kindSecret, false
			}
			n.item.sprout("name", row{Type: kindStr, Required: true})
			n.item.sprout("value", value)
		}
	case n.Type == kindList && n.Of == "":
		return fmt.Errorf("a list without the type of its items")
	}
	if n.Default.IsZero() {
		return nil
	}
	fallback, err := n.parseDefault()
	if err != nil {
		return err
	}
	n.fallback = fallback
	return nil
}

// parseDefault reads the default with the same rules as a value of the file.
func (n *node) parseDefault() (any, error) {
	c := &checker{problems: &Problems{}, seen: newObserved()}
	got, ok := c.value(&n.Default, n, n.path)
	if len(c.problems.List) > 0 {
		return nil, fmt.Errorf("default: %s", c.problems.List[0].Reason)
	}
	if !ok {
		return nil, fmt.Errorf("default: not a value")
	}
	return got, nil
}
