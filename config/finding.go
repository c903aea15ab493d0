package config

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Finding is what an inspection says about a key; the loader adds its place.
type Finding struct {
	// Path names the key below the root, list items included: "webhooks[0].url".
	Path string
	// Reason says what is wrong. It never holds a secret.
	Reason string
	// Suggestion says what to write instead; empty when nobody can know.
	Suggestion string
	// Warning marks what the service can run with.
	Warning bool
}

// report notes a problem of a key.
func (l *loader) report(path, reason, suggestion string) {
	l.reportFinding(Finding{Path: path, Reason: reason, Suggestion: suggestion})
}

// reportFinding notes a finding about a key, at the nearest known place, unless the
// value of the key was refused already.
func (l *loader) reportFinding(f Finding) {
	path := l.asWritten(f.Path)
	if slices.ContainsFunc(l.problems.List, func(p Problem) bool { return concerns(p, path) }) {
		return
	}
	p := l.locate(path)
	p.Reason, p.Suggestion, p.Warning = oneLine(f.Reason, maxSentence), oneLine(f.Suggestion, maxSentence), f.Warning
	if n := l.root.at(f.Path); n != nil {
		p = (&checker{off: l.off}).switchedOff(n).downgrade(p)
	}
	l.problems.add(p)
	if !p.Warning {
		l.refused = append(l.refused, f.Path)
	}
}

// asWritten returns a path with the indices that list items have in the file: whoever
// inspects a configuration does not see the items that were left out of it.
func (l *loader) asWritten(path string) string {
	key, _, _ := strings.Cut(path, "[")
	if kind := l.sources[key].Kind; kind == FromEnvironment || kind == FromOverride {
		return path
	}
	written, rest := "", path
	for {
		list, item, indexed := strings.Cut(rest, "[")
		written += list
		if !indexed {
			return written
		}
		var index string
		index, rest, _ = strings.Cut(item, "]")
		kept := l.seen.kept[cmp.Or(l.written[written], written)]
		if i, err := strconv.Atoi(index); err == nil && 0 <= i && i < len(kept) {
			index = strconv.Itoa(kept[i])
		}
		written += "[" + index + "]"
	}
}

// concerns reports whether a problem is one of the key at path, or of something in it.
func concerns(p Problem, path string) bool {
	if p.File == environmentFile && p.Path == EnvName(path) {
		return true
	}
	shown := printablePath(path)
	return p.Path == shown || strings.HasPrefix(p.Path, shown+"[") || strings.HasPrefix(p.Path, shown+".")
}

// locate returns a problem of the key at path with its place and nothing else:
// the variable or the option that set it, or the line of the file that is closest.
func (l *loader) locate(path string) Problem {
	key, _, _ := strings.Cut(path, "[")
	switch source := l.sources[key]; source.Kind {
	case FromEnvironment:
		return Problem{File: environmentFile, Path: source.Name + path[len(key):]}
	case FromOverride:
		return Problem{File: commandLine, Path: path}
	case FromDefault, FromFile:
	}
	if other, ok := l.written[path]; ok {
		path = other
	}
	p := Problem{File: l.options.Path, Path: path}
	if p.File == "" {
		p.File = environmentFile
	}
	for at := path; at != ""; at = parentOf(at) {
		if where, ok := l.seen.places[at]; ok {
			p.Line, p.Column = where.line, where.column
			break
		}
	}
	return p
}
