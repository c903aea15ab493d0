package config

import (
	"fmt"
	"maps"
	"strings"

	"go.yaml.in/yaml/v3"
)

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

// switchesOf returns the values of an item that has switches, and of the items around it.
func (c *checker) switchesOf(y *yaml.Node, item *node, at string) layer {
	if !item.hasSwitch() {
		return c.item
	}
	quiet := *c
	quiet.problems, quiet.seen = &Problems{}, newObserved()
	out := maps.Clone(c.item)
	if out == nil {
		out = layer{}
	}
	quiet.section(y, item, at, out)
	return out
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
