package config

import (
	"go.yaml.in/yaml/v3"
)

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
