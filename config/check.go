package config

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// observed is what the checks note beside problems.
type observed struct {
	// samples are the paths of sample values left over from the template.
	samples []string
	// derived are the keys, as in the schema, whose value contains a reference.
	derived map[string]bool
	// places hold the position of every key of the file, sections included.
	places map[string]place
	// kept holds, for every list with items that are left out, the indices in the file
	// of the others.
	kept map[string][]int
}

type place struct{ line, column int }

func newObserved() *observed {
	return &observed{derived: map[string]bool{}, places: map[string]place{}, kept: map[string][]int{}}
}

// checker turns YAML nodes into checked values.
type checker struct {
	file     string
	refs     references
	problems *Problems
	seen     *observed
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

// visit counts one node. It returns false when aliases expand the file beyond
// maxVisited nodes.
func (c *checker) visit(at *yaml.Node, path string) bool {
	c.visited++
	if c.visited == maxVisited+1 {
		c.refuse(at, path, faultf("repeat less through anchors", "the file unfolds into more than %d values", maxVisited))
	}
	return c.visited <= maxVisited
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

// unknown refuses a key that is not in the schema. Directly below Butler, where the
// Node.js tool accepts any key, one that resembles no other only causes a warning. It
// suggests nothing once the list of problems is full, to save the time.
func (c *checker) unknown(key *yaml.Node, in *node, at string) {
	p := Problem{File: c.file, Line: key.Line, Column: key.Column, Path: at, Reason: "unknown key"}
	if len(c.problems.List) < maxProblems {
		p.Suggestion = suggestKey(in, key.Value)
		p.Warning = in.path == "" && p.Suggestion == ""
	}
	if p.Warning {
		p.Reason = "unknown key, which has no effect"
		p.Suggestion = "remove it, or let its name begin with " + extensionPrefix
	}
	c.add(p)
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

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
