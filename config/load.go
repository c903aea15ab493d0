package config

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/viper"
	"go.yaml.in/yaml/v3"
)

// Options say where a configuration comes from. The zero value is the built-in one.
type Options struct {
	// Path is the configuration file; "" means that there is none.
	Path string
	// Environ are the environment variables, as os.Environ returns them. An empty one is the same as none.
	Environ []string
	// ReservedEnv names BUTLER_ variables that are no settings, such as one that holds Path.
	ReservedEnv []string
	// Overrides are settings of the command line, by path: {"logLevel": "debug"}.
	Overrides map[string]any
	// Schemas describe the sections of destinations.
	Schemas []SchemaFragment
	// Inspect finds further problems, those that only the owner of a section can
	// know. It gets a configuration without the values that were refused before. Its
	// findings are listed with all other problems. It may be nil.
	Inspect func(*Config) []Finding
	// Lenient loads in spite of problems: wrong values are treated as not set, and
	// Config.Ignored lists the problems. A file that is not YAML stays an error.
	Lenient bool
}

// Load reads the configuration from all its sources. What is wrong with it is
// returned as *Problems; any other error is a broken schema or a missing working directory.
func Load(o Options) (*Config, error) {
	root, err := newSchema(o.Schemas)
	if err != nil {
		return nil, fmt.Errorf("read the schema of the configuration: %w", err)
	}
	problems := &Problems{}
	var data []byte
	if o.Path != "" {
		read, ok := readFile(o.Path, problems)
		if !ok {
			return nil, problems.orNil()
		}
		data = read
	}
	return load(o, root, data)
}

// load is Load with the schema and the file already read.
func load(o Options, root *node, data []byte) (*Config, error) {
	baseDir, err := filepath.Abs(filepath.Dir(o.Path))
	if err != nil {
		return nil, fmt.Errorf("find the directory of the configuration: %w", err)
	}
	l := newLoader(o, root, baseDir)
	l.off = l.switchedOff(data)
	layers, ok := l.layers(data)
	if !ok {
		return nil, l.problems.orNil()
	}
	merged := l.merge(layers)
	l.checkRequired(merged)
	l.checkRules(merged)
	c, err := newConfig(l, merged)
	if err != nil {
		return nil, errors.Join(l.problems.orNil(), err)
	}
	if o.Inspect != nil {
		for _, f := range o.Inspect(c) {
			l.reportFinding(f)
		}
	}
	if err := l.problems.orNil(); err != nil && !o.Lenient {
		return nil, err
	}
	if len(l.refused) > 0 {
		if c, err = newConfig(l, l.fallBack(merged)); err != nil {
			return nil, errors.Join(l.problems.orNil(), err)
		}
	}
	c.ignored, c.warnings = l.problems.List, l.problems.Warnings
	return c, nil
}

// fallBack returns the settings with the defaults of the keys that were refused
// after the sources were merged, where they have one.
func (l *loader) fallBack(merged *viper.Viper) *viper.Viper {
	for _, path := range l.refused {
		key, _, _ := strings.Cut(path, "[")
		if n := l.root.find(key); n != nil && !n.isSection() && n.item == nil && n.fallback != nil {
			merged.Set(n.path, clone(n.fallback))
			delete(l.sources, n.path)
		}
	}
	return flattened(merged)
}

// loader holds what the steps of one Load share.
type loader struct {
	options  Options
	root     *node
	baseDir  string
	problems *Problems
	seen     *observed
	// sources hold where the value of a key came from, by path.
	sources map[string]Source
	// written holds the alias that the file uses for a key, by path of the key.
	written map[string]string
	// refused are the keys and items that were found wrong after the merge.
	refused []string
	// off are the switches that are off when all sources are merged, by path.
	off map[string]bool
}

func newLoader(o Options, root *node, baseDir string) *loader {
	return &loader{
		options: o, root: root, baseDir: baseDir, problems: &Problems{}, seen: newObserved(),
		sources: map[string]Source{}, written: map[string]string{},
	}
}

// switchedOff reads all sources once in advance, for their switches: whether a wrong
// value is a problem or a warning depends on them. A switch with a wrong value is not
// off, and neither is one that no source sets: it may have been forgotten.
func (l *loader) switchedOff(data []byte) map[string]bool {
	quiet := newLoader(l.options, l.root, l.baseDir)
	layers, ok := quiet.layers(data)
	if !ok {
		return nil
	}
	merged := quiet.merge(layers)
	off := map[string]bool{}
	for n := range l.root.values {
		if n.name != "enable" || n.Type != kindBool {
			continue
		}
		counts := cmp.Or(n.Alias, n.path)
		wrong := func(p Problem) bool { return concerns(p, n.path) || concerns(p, counts) }
		_, written := quiet.sources[n.path]
		off[n.path] = written && !merged.GetBool(counts) && !slices.ContainsFunc(quiet.problems.List, wrong)
	}
	return off
}

// layers reads every source, the one with the lowest precedence first. It returns
// false when the file cannot be read at all, which makes further checks meaningless.
func (l *loader) layers(data []byte) ([]layer, bool) {
	vars := environment(l.options.Environ)
	source := func(file string) *checker {
		return &checker{file: file, problems: l.problems, seen: l.seen, off: l.off, refs: references{environment: vars, baseDir: l.baseDir, files: &l.problems.Files}}
	}
	var out []layer
	if l.options.Path != "" {
		fromFile, ok := l.file(data, source(l.options.Path))
		if !ok {
			return nil, false
		}
		out = append(out, fromFile)
	}
	out = append(out,
		fromEnvironment(vars, l.options.ReservedEnv, l.root, source(environmentFile)),
		fromOverrides(l.options.Overrides, l.root, source(commandLine)))
	for _, one := range out {
		l.applyAliases(one)
		for path, s := range one {
			l.sources[path] = s.from
		}
	}
	return out, true
}

// file checks the configuration file: one mapping with the key Butler.
func (l *loader) file(data []byte, c *checker) (layer, bool) {
	top, ok := parseDocument(c.file, data, l.problems)
	if !ok {
		return nil, false
	}
	if top.Kind != yaml.MappingNode {
		c.refuse(top, "", faultf(`begin with the line "Butler:"`, "must be a mapping, not %s", nameOfNode(top)))
		return nil, false
	}
	out := layer{}
	found := false
	for _, e := range c.entries(top, "", 0) {
		switch {
		case e.key.Value == rootKey && !found:
			found = true
			c.section(e.value, l.root, "", out)
		case e.key.Value == rootKey:
			c.refuse(e.key, rootKey, faultf("keep one of the two", "is set twice"))
		case !strings.HasPrefix(e.key.Value, extensionPrefix):
			c.refuse(e.key, e.key.Value, l.strayKey(e.key.Value))
		}
	}
	if !found && len(l.problems.List) == 0 {
		c.refuse(top, "", faultf(`begin with the line "Butler:"`, "the key Butler is missing"))
	}
	return out, true
}

// strayKey returns the fault for a key beside Butler.
func (l *loader) strayKey(name string) *fault {
	f := &fault{reason: "unknown key beside " + rootKey}
	switch {
	case strings.EqualFold(name, rootKey):
		f.suggestion = "write " + rootKey
	case l.root.child(name) != nil:
		f.suggestion = "move it below " + rootKey
	}
	return f
}

// applyAliases moves the value of an alias to the key it stands for, unless that is
// set too.
func (l *loader) applyAliases(values layer) {
	for n := range l.root.values {
		if n.Alias == "" {
			continue
		}
		if s, set := values[n.path]; set {
			delete(values, n.path)
			if _, taken := values[n.Alias]; !taken {
				values[n.Alias] = s
				l.written[n.Alias] = n.path
			}
			if l.seen.derived[n.path] {
				l.seen.derived[n.Alias] = true
			}
		}
	}
}

// standalone are the defaults that differ without a configuration file: the service
// receives events, but from this machine only.
var standalone = map[string]any{
	"udpServerConfig.enable":     true,
	"udpServerConfig.serverHost": "127.0.0.1",
	"journal.directory":          "butler-data",
}

// merge puts the layers on top of the defaults.
func (l *loader) merge(layers []layer) *viper.Viper {
	v := viper.New()
	for n := range l.root.values {
		if n.fallback != nil {
			v.SetDefault(n.path, clone(n.fallback))
		}
	}
	if l.options.Path == "" {
		for path, value := range standalone {
			v.SetDefault(path, value)
		}
	}
	for _, one := range layers {
		for path, s := range one {
			v.Set(path, s.value)
		}
	}
	return flattened(v)
}

// flattened returns the settings as a single viper layer: viper looks up a section in
// the topmost layer that has it, and does not merge it with those below.
func flattened(v *viper.Viper) *viper.Viper {
	out := viper.New()
	if err := out.MergeConfigMap(v.AllSettings()); err != nil {
		panic(fmt.Sprintf("BUG: merge settings: %v", err))
	}
	return out
}

// clone copies a value, because viper changes the keys of the maps that it is given.
func clone(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = clone(item)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, item := range v {
			out[key] = clone(item)
		}
		return out
	}
	return v
}

// checkRequired refuses a feature that is switched on and lacks a required key.
func (l *loader) checkRequired(v *viper.Viper) {
	for n := range l.root.values {
		switches := n.switches()
		off := func(s *node) bool { return !v.GetBool(s.path) }
		if !n.Required || len(switches) == 0 || slices.ContainsFunc(switches, off) || !unset(v.Get(n.path)) {
			continue
		}
		reason := "is missing"
		if slices.Contains(l.seen.samples, n.path) {
			reason = "still has the sample value of the template"
		}
		l.report(n.path, reason, "set it, or set "+switches[0].path+" to false")
	}
}

// parentOf returns the path of what is around a key or a list item, "" for a key of the root.
func parentOf(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}
