package config

import (
	"reflect"
	"slices"
)

// ReloadOnFileChange reports whether a changed file is reloaded automatically.
func (c *Config) ReloadOnFileChange() bool { return c.core.Reload.OnFileChange }

// SourceFiles lists the files that this configuration was read from, those that its
// values refer to included, as paths that can be opened.
func (c *Config) SourceFiles() []string {
	var out []string
	if c.file != "" {
		out = append(out, c.file)
	}
	return append(out, slices.Compact(slices.Sorted(slices.Values(c.files)))...)
}

// ChangedSince lists the keys whose values differ from those of an earlier
// configuration, in the order of the schema. A list is one key.
func (c *Config) ChangedSince(before *Config) []string {
	return c.changed(before, func(*node) bool { return true })
}

// NeedsRestartSince lists those of the keys of ChangedSince that take effect only when
// the service starts again.
func (c *Config) NeedsRestartSince(before *Config) []string {
	return c.changed(before, (*node).needsRestart)
}

func (c *Config) changed(before *Config, counts func(*node) bool) []string {
	out := []string{}
	for n := range c.root.values {
		if n.Alias == "" && counts(n) && !reflect.DeepEqual(c.merged.Get(n.path), before.merged.Get(n.path)) {
			out = append(out, n.path)
		}
	}
	return out
}
