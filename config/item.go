package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// tooShort reports whether a list has fewer items than its minimum. Sample values do
// not count.
func (n *node) tooShort(got any) bool {
	items, _ := got.([]any)
	least, _ := strconv.Atoi(n.Min)
	return len(items) < least
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
	var kept []int
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
			out, kept = append(out, got), append(kept, i)
		}
	}
	if len(out) < len(y.Content) {
		c.seen.kept[at] = kept
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
