package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// setting is the value of one key in one source.
type setting struct {
	value any
	from  Source
}

// layer holds what one source sets, by path.
type layer map[string]setting

// findings is what the checks note beside problems.
type findings struct {
	// samples are the paths of sample values left over from the template.
	samples []string
	// derived are the keys, as in the schema, whose value contains a reference.
	derived map[string]bool
	// places hold the position of every key of the file, sections included.
	places map[string]place
}

type place struct{ line, column int }

func newFindings() *findings {
	return &findings{derived: map[string]bool{}, places: map[string]place{}}
}

// checker turns YAML nodes into checked values.
type checker struct {
	file     string
	refs     references
	problems *Problems
	seen     *findings
	visited  int
	// refusals counts what was refused, warnings included.
	refusals int
	// off are the switches that are off when all sources are merged, by path; nil
	// while that is not known.
	off map[string]bool
	// item holds the values of the list item being checked, for the switches in it;
	// nil outside of an item.
	item layer
}

// refuse notes a problem at a node.
func (c *checker) refuse(at *yaml.Node, path string, f *fault) {
	c.add(Problem{File: c.file, Line: at.Line, Column: at.Column, Path: path, Reason: f.reason, Suggestion: f.suggestion})
}

// refuseValue notes that the value of a key is wrong. It is a warning if a switch
// around the key is off.
func (c *checker) refuseValue(at *yaml.Node, n *node, path string, f *fault) {
	c.add(c.switchedOff(n).downgrade(Problem{File: c.file, Line: at.Line, Column: at.Column, Path: path, Reason: f.reason, Suggestion: f.suggestion}))
}

// add notes a problem.
func (c *checker) add(p Problem) {
	c.refusals++
	c.problems.add(p)
}

// offSwitch is the path of a switch that is off and makes a key irrelevant; "" when
// there is none.
type offSwitch string

// downgrade turns the problem of an irrelevant key into a warning: a feature that is
// switched off must not keep the service from starting.
func (s offSwitch) downgrade(p Problem) Problem {
	if s == "" || p.Warning {
		return p
	}
	p.Reason = oneLine(fmt.Sprintf("%s; ignored while %s is false", p.Reason, s), maxSentence)
	p.Warning = true
	return p
}

// switchedOff returns the innermost switch around a key that is off.
func (c *checker) switchedOff(n *node) offSwitch {
	for _, s := range n.switches() {
		if !s.inItem() {
			if c.off[s.path] {
				return offSwitch(s.path)
			}
			continue
		}
		if v, known := c.item[s.path].value.(bool); known && !v {
			return offSwitch(s.path)
		}
	}
	return ""
}

// visit counts one node. It returns false when aliases expand the file beyond
// maxVisited nodes.
func (c *checker) visit(at *yaml.Node, path string) bool {
	c.visited++
	if c.visited == maxVisited+1 {
		c.refuse(at, path, faultf("repeat less through anchors", "the file unfolds into more than %d values", maxVisited))
	}
	return c.visited <= maxVisited
}

// entry is one key of a mapping with its value.
type entry struct {
	key, value *yaml.Node
	// merged marks an entry that came in through a "<<" key.
	merged bool
}

// entries lists the keys of a mapping, those of merged mappings ("<<: *anchor") last.
func (c *checker) entries(n *yaml.Node, path string, depth int) []entry {
	var own, merged []entry
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !c.visit(key, path) {
			break
		}
		if key.ShortTag() != "!!merge" {
			own = append(own, entry{key: key, value: value})
			continue
		}
		for _, s := range mergedBy(value) {
			switch s = resolve(s); {
			case isNull(s), !c.visit(s, path):
			case s.Kind != yaml.MappingNode:
				c.refuse(s, join(path, key.Value), faultf("name an anchor, as in <<: *defaults", "must name a mapping, whose keys are merged, not %s", nameOfNode(s)))
			case depth >= maxMerges:
				c.refuse(s, join(path, key.Value), faultf("merge fewer into each other", "merges more than %d times in a row", maxMerges))
			default:
				for _, e := range c.entries(s, path, depth+1) {
					merged = append(merged, entry{key: e.key, value: e.value, merged: true})
				}
			}
		}
	}
	return append(own, merged...)
}

// mergedBy lists what the value of a "<<" key names: one mapping, or several.
func mergedBy(value *yaml.Node) []*yaml.Node {
	if value = resolve(value); value.Kind == yaml.SequenceNode {
		return value.Content
	}
	return []*yaml.Node{value}
}

// section checks a mapping against a section and puts the values into out. path
// is the path of the mapping in the file, with the indexes of list items.
func (c *checker) section(y *yaml.Node, in *node, path string, out layer) {
	if y = resolve(y); isNull(y) {
		return
	}
	if y.Kind != yaml.MappingNode {
		c.refuseValue(y, in, path, in.wantsKeys(y))
		return
	}
	first := map[string]int{}
	for _, e := range c.entries(y, path, 0) {
		key := resolve(e.key)
		if key.Kind != yaml.ScalarNode {
			c.refuse(key, path, faultf("", "a key must be a word"))
			continue
		}
		at := join(path, key.Value)
		if line, twice := first[key.Value]; twice {
			if !e.merged {
				c.refuse(key, at, faultf("keep one of the two", "is set twice, first in line %d", line))
			}
			continue
		}
		first[key.Value] = key.Line
		c.key(key, e.value, in, at, out)
	}
}

// wantsKeys returns the fault for a value in the place of a section. It suggests the
// first keys of the section, except for the root.
func (n *node) wantsKeys(y *yaml.Node) *fault {
	var names []string
	for i, c := range n.children {
		if n.path != "" && i < maxNamed {
			names = append(names, c.name)
		}
	}
	return faultf(strings.Join(names, ", "), "must hold keys, not %s", nameOfNode(y))
}

// maxNamed is how many keys of a section a suggestion names.
const maxNamed = 4

// key checks one key of a section.
func (c *checker) key(key, value *yaml.Node, in *node, at string, out layer) {
	n := in.child(key.Value)
	if n == nil {
		if !in.Extra && (in.path != "" || !strings.HasPrefix(key.Value, extensionPrefix)) {
			c.unknown(key, in, at)
		}
		return
	}
	c.notice(key, at)
	if n.isSection() {
		c.section(value, n, at, out)
		return
	}
	refusals := c.refusals
	got, ok := c.value(value, n, at)
	if n.Type == kindList && n.tooShort(got) && c.refusals == refusals {
		c.refuseValue(value, n, at, faultf("list what counts, or leave the key out", "holds nothing"))
	}
	if ok {
		out[n.path] = setting{value: got, from: Source{Kind: FromFile, Name: c.file, Line: key.Line}}
	}
}

// tooShort reports whether a list has fewer items than its minimum. Sample values do
// not count.
func (n *node) tooShort(got any) bool {
	items, _ := got.([]any)
	least, _ := strconv.Atoi(n.Min)
	return len(items) < least
}

// unknown refuses a key that is not in the schema. It suggests nothing once the list
// of problems is full, to save the time.
func (c *checker) unknown(key *yaml.Node, in *node, at string) {
	f := &fault{reason: "unknown key"}
	if len(c.problems.List) < maxProblems {
		f.suggestion = suggestKey(in, key.Value)
	}
	c.refuse(key, at, f)
}

// notice records the position of a key.
func (c *checker) notice(key *yaml.Node, at string) {
	c.seen.places[at] = place{line: key.Line, column: key.Column}
}

// value checks the value of a key. It reports false for "not set" and for a problem alike.
func (c *checker) value(y *yaml.Node, n *node, at string) (any, bool) {
	y = resolve(y)
	if !c.visit(y, at) {
		return nil, false
	}
	if n.Type == kindList {
		return c.list(y, n, at)
	}
	if y.Kind != yaml.ScalarNode {
		c.refuseValue(y, n, at, faultf("", "must be %s, not %s", article[n.Type], nameOfNode(y)))
		return nil, false
	}
	if isNull(y) {
		if !n.Nullable {
			c.refuseValue(y, n, at, faultf("write a value or leave the key out", "has no value"))
		}
		return nil, false
	}
	got, f := c.scalar(y, n)
	if f != nil {
		c.refuseValue(y, n, at, f)
		return nil, false
	}
	if text, isText := got.(string); isText && n.isSample(text) {
		c.seen.samples = append(c.seen.samples, at)
		return nil, false
	}
	return got, true
}

// scalar resolves references and turns a YAML scalar into a value.
func (c *checker) scalar(y *yaml.Node, n *node) (any, *fault) {
	if y.ShortTag() != "!!str" {
		return n.fromScalar(y)
	}
	if n.isSample(y.Value) {
		return y.Value, nil // a sample value need not be valid
	}
	text, used, f := c.refs.expand(y.Value)
	switch {
	case f != nil:
		return nil, f
	case used:
		c.seen.derived[n.path] = true
		unseen := *n
		unseen.Hidden = true
		return unseen.fromText(text)
	case text != y.Value: // a doubled dollar
		return n.fromText(text)
	}
	return n.fromScalar(y)
}

// list checks a list; null stands for "not set".
func (c *checker) list(y *yaml.Node, n *node, at string) (any, bool) {
	if isNull(y) {
		return nil, false
	}
	if y.Kind != yaml.SequenceNode {
		f := faultf("", "must be a list, not %s", nameOfNode(y))
		switch {
		case n.item != nil:
			f.suggestion = "begin each entry with a dash: - " + n.item.children[0].name + ": ..."
		case y.Kind == yaml.ScalarNode && n.quotable():
			f.suggestion = "write [" + printable(y.Value) + "]"
		}
		c.refuseValue(y, n, at, f)
		return nil, false
	}
	out := make([]any, 0, min(len(y.Content), 1024))
	for i, item := range y.Content {
		where := fmt.Sprintf("%s[%d]", at, i)
		c.seen.places[where] = place{line: item.Line, column: item.Column}
		if c.visited > maxVisited {
			return nil, false
		}
		var got any
		var ok bool
		switch n.Of {
		case ofObject, ofPair:
			got, ok = c.object(item, n.item, where)
		default:
			element := node{row: row{Type: kind(n.Of), Hidden: n.Hidden}, path: n.path, parent: n.parent}
			got, ok = c.value(item, &element, where)
		}
		if ok {
			out = append(out, got)
		}
	}
	return out, true
}

// object checks one item of a list of objects and completes it with defaults.
// An item that still holds placeholders where something is required is left out.
func (c *checker) object(y *yaml.Node, item *node, at string) (any, bool) {
	y = resolve(y)
	if !c.visit(y, at) {
		return nil, false
	}
	y = item.unfolded(y)
	if y.Kind != yaml.MappingNode {
		c.refuseValue(y, item, at, item.wantsKeys(y))
		return nil, false
	}
	defer func(around layer) { c.item = around }(c.item)
	c.item = c.switchesOf(y, item, at)
	samples, problems, warnings := len(c.seen.samples), len(c.problems.List), len(c.problems.Warnings)
	out := layer{}
	c.section(y, item, at, out)
	for n := range item.values {
		if _, set := out[n.path]; !set && n.fallback != nil {
			out[n.path] = setting{value: clone(n.fallback)}
		}
	}
	for n := range item.values {
		if !n.Required || !unset(out[n.path].value) || n.blank && out[n.path].value != nil || !on(n, item, out) {
			continue
		}
		if len(c.seen.samples) > samples {
			return nil, false
		}
		where := join(at, strings.TrimPrefix(n.path, item.path+"."))
		refused := func(p Problem) bool { return p.Path == where }
		if slices.ContainsFunc(c.problems.List[problems:], refused) || slices.ContainsFunc(c.problems.Warnings[warnings:], refused) {
			continue
		}
		if out[n.path].value != nil && n.mayBeEmpty(item) {
			c.leaveOut(y, at, where)
			return nil, false
		}
		c.refuseValue(y, n, where, faultf("", "is missing"))
	}
	return out.nest(item.path), true
}

// mayBeEmpty reports whether an item is ignored when this required key of it is empty.
// It is not where somebody would no longer be told, such as without an address.
func (n *node) mayBeEmpty(item *node) bool {
	return n.parent == item && (n.Type == kindStr || n.Type == kindSecret || n.Type == kindPath) && !item.strict()
}

// leaveOut warns that an item is ignored because of an empty key. The Node.js tool
// accepts empty text everywhere.
func (c *checker) leaveOut(y *yaml.Node, item, path string) {
	c.add(Problem{
		File: c.file, Line: y.Line, Column: y.Column, Path: path, Warning: true,
		Reason: "is empty, so " + item + " is ignored", Suggestion: "write a value, or remove the entry",
	})
}

// switchesOf returns the values of an item that has switches, and of the items around it.
func (c *checker) switchesOf(y *yaml.Node, item *node, at string) layer {
	if !item.hasSwitch() {
		return c.item
	}
	quiet := *c
	quiet.problems, quiet.seen = &Problems{}, newFindings()
	out := maps.Clone(c.item)
	if out == nil {
		out = layer{}
	}
	quiet.section(y, item, at, out)
	return out
}

// unfolded expands an item that is written as a bare value, the value of its key
// marked "bare", into the mapping that it stands for. It returns other items as they are.
func (n *node) unfolded(y *yaml.Node) *yaml.Node {
	at := slices.IndexFunc(n.children, func(c *node) bool { return c.Bare })
	if at < 0 || y.Kind != yaml.ScalarNode || isNull(y) {
		return y
	}
	key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: n.children[at].name, Line: y.Line, Column: y.Column}
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: y.Line, Column: y.Column, Content: []*yaml.Node{key, y}}
}

// on reports whether every switch between a key of an item and the item is on.
func on(n, item *node, values layer) bool {
	for _, s := range n.switches() {
		if !strings.HasPrefix(s.path, item.path+".") {
			continue
		}
		if v, _ := values[s.path].value.(bool); !v {
			return false
		}
	}
	return true
}

// unset reports whether a value is missing where one is required.
func unset(v any) bool { return v == nil || v == "" }

// nest returns the layer as nested maps; base is what all paths begin with, "" for none.
func (l layer) nest(base string) map[string]any {
	out := map[string]any{}
	for path, s := range l {
		at := out
		names := strings.Split(strings.TrimPrefix(strings.TrimPrefix(path, base), "."), ".")
		for _, name := range names[:len(names)-1] {
			below, ok := at[name].(map[string]any)
			if !ok {
				below = map[string]any{}
				at[name] = below
			}
			at = below
		}
		at[names[len(names)-1]] = s.value
	}
	return out
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func isNull(y *yaml.Node) bool {
	return y.Kind == yaml.ScalarNode && y.ShortTag() == "!!null"
}

// nameOfNode names the kind of a YAML node, for a message.
func nameOfNode(y *yaml.Node) string {
	switch y.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		return nameOfTag(y.ShortTag())
	}
	return "an alias that leads nowhere"
}
