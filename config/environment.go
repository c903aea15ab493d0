package config

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"butler/internal/text"
)

// envPrefix begins every environment variable that sets a key.
const envPrefix = "BUTLER_"

// These take the place of a file name in problems.
const (
	environmentFile = "environment"
	commandLine     = "command line"
)

// EnvName returns the environment variable that sets the key at a path:
// BUTLER_SLACKNOTIFICATION_ENABLE for slackNotification.enable. No key holds an
// underscore and no two keys differ in letter case only, so the name is unique.
func EnvName(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// serviceLink matches the variables that Kubernetes puts into every container
// for each service of its namespace, here one whose name begins with "butler".
var serviceLink = regexp.MustCompile(`_(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// isServiceLink reports whether a variable is one of those instead of a setting.
func isServiceLink(name, value string) bool {
	scheme, _, found := strings.Cut(value, "://")
	if found && strings.HasSuffix(name, "_PORT") && (scheme == "tcp" || scheme == "udp" || scheme == "sctp") {
		return true
	}
	return serviceLink.MatchString(name)
}

// environment splits "NAME=value" lines; the last one of a name counts.
func environment(environ []string) map[string]string {
	out := make(map[string]string, len(environ))
	for _, line := range environ {
		if name, value, ok := strings.Cut(line, "="); ok {
			out[name] = value
		}
	}
	return out
}

// fromEnvironment checks the BUTLER_ variables against the schema. An empty
// variable is the same as none.
func fromEnvironment(vars map[string]string, reserved []string, root *node, c *checker) layer {
	keys := map[string]*node{}
	for n := range root.values {
		keys[EnvName(n.path)] = n
	}
	names := make([]string, 0, len(vars))
	for name := range vars {
		names = append(names, name)
	}
	slices.Sort(names)
	out := layer{}
	for _, name := range names {
		value := vars[name]
		if !strings.HasPrefix(name, envPrefix) || value == "" || slices.Contains(reserved, name) || isServiceLink(name, value) {
			continue
		}
		n := keys[name]
		if n == nil {
			c.problems.add(unknownVariable(name, keys))
			continue
		}
		got, f := fromVariable(value, n, c)
		if f != nil {
			c.add(c.switchedOff(n).downgrade(Problem{File: environmentFile, Path: name, Reason: f.reason, Suggestion: f.suggestion}))
			continue
		}
		out[n.path] = setting{value: got, from: Source{Kind: FromEnvironment, Name: name}}
	}
	return out
}

// unknownVariable refuses a variable that sets nothing.
func unknownVariable(name string, keys map[string]*node) Problem {
	p := Problem{File: environmentFile, Path: name, Reason: "no key belongs to this variable"}
	names := make([]string, 0, len(keys))
	for known := range keys {
		names = append(names, known)
	}
	slices.Sort(names)
	if near := text.Nearest(name, names); near != "" {
		p.Suggestion = "did you mean " + near + "?"
	}
	return p
}

// fromVariable turns the text of a variable into a value; a list is separated by commas.
func fromVariable(text string, n *node, c *checker) (any, *fault) {
	text, used, f := c.refs.expand(text)
	if f != nil {
		return nil, f
	}
	target := *n
	if used {
		c.seen.derived[n.path] = true
		target.Hidden = true
	}
	if n.Type != kindList {
		return target.fromText(text)
	}
	if n.item != nil {
		return nil, faultf("set it in the file", "a list of objects cannot be set by a variable")
	}
	element := node{row: row{Type: kind(n.Of), Hidden: target.Hidden}}
	out := []any{}
	for part := range strings.SplitSeq(text, ",") {
		value, f := element.fromText(strings.TrimSpace(part))
		if f != nil {
			return nil, f
		}
		out = append(out, value)
	}
	return out, nil
}

// fromOverrides checks the values of the command line, given by path, like those of a file.
func fromOverrides(overrides map[string]any, root *node, c *checker) layer {
	paths := make([]string, 0, len(overrides))
	for path := range overrides {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	out := layer{}
	for _, path := range paths {
		n := root.find(path)
		if n == nil || n.isSection() {
			c.problems.add(unknownOverride(c.file, path, n, root))
			continue
		}
		var y yaml.Node
		if err := y.Encode(overrides[path]); err != nil {
			c.problems.add(Problem{File: c.file, Path: path, Reason: "is not a value"})
			continue
		}
		if got, ok := c.value(&y, n, n.path); ok {
			out[n.path] = setting{value: got, from: Source{Kind: FromOverride}}
		}
	}
	return out
}

// unknownOverride refuses a path that names no key; n is the section it names instead, or nil.
func unknownOverride(file, path string, n, root *node) Problem {
	p := Problem{File: file, Path: path, Reason: "unknown key"}
	if n != nil {
		p.Reason = "is a section, not a key"
		return p
	}
	var known []string
	for k := range root.values {
		known = append(known, k.path)
	}
	if near := text.Nearest(path, known); near != "" {
		p.Suggestion = "did you mean " + near + "?"
	}
	return p
}
