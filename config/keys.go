package config

import "fmt"

// Key describes one key of the configuration, for documentation.
type Key struct {
	// Section is the topmost key it belongs to, "" for a key of the root.
	Section string
	// Path names the key below the root; a key of a list's items is "list[].key".
	Path string
	// Default is the value when the key is absent, as it is written in a file; "" where
	// there is none.
	Default string
	// Doc says in one line what it means, and what may be written.
	Doc string
	// Secret says that its value is a secret, or a URI that holds one.
	Secret bool
	// Restart says that it takes effect only when the service starts again.
	Restart bool
}

// Keys lists every key of the service and of the given sections, in the order of
// the sample.
func Keys(schemas []SchemaFragment) ([]Key, error) {
	root, err := newSchema(schemas)
	if err != nil {
		return nil, fmt.Errorf("read the schema of the configuration: %w", err)
	}
	var out []Key
	for _, n := range root.children {
		section := ""
		if n.isSection() || n.item != nil {
			section = n.name
		}
		if out, err = n.appendKeys(out, section, n.path); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// appendKeys adds n, or the keys below it. path is the path of n for people, with
// "[]" for list items.
func (n *node) appendKeys(out []Key, section, path string) ([]Key, error) {
	if n.undocumented() {
		return out, nil
	}
	below := n.children
	if !n.isSection() {
		value, err := n.sampleValue()
		if err != nil {
			return nil, err
		}
		if n.fallback == nil {
			value = ""
		}
		out = append(out, Key{
			Section: section, Path: path, Default: value, Doc: n.Doc + n.remark(),
			Secret: n.Type == kindSecret || n.Type == kindURI && n.Hidden, Restart: n.needsRestart(),
		})
		below = nil
		if n.item != nil {
			path, below = path+"[]", n.item.children
		}
	}
	for _, child := range below {
		var err error
		if out, err = child.appendKeys(out, section, path+"."+child.name); err != nil {
			return nil, err
		}
	}
	return out, nil
}
