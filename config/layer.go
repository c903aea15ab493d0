package config

import (
	"strings"
)

// setting is the value of one key in one source.
type setting struct {
	value any
	from  Source
}

// layer holds what one source sets, by path.
type layer map[string]setting

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
