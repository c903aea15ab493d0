package app

import (
	"io/fs"

	"butler/internal/destination/all"
)

// BuiltinTemplates returns the built-in templates of every destination that has any, by
// its name. They are named like a user's own.
func BuiltinTemplates() map[string]fs.FS {
	out := map[string]fs.FS{}
	for _, d := range all.Definitions() {
		if d.Templates != nil {
			out[d.Name] = d.Templates
		}
	}
	return out
}
