package config

import (
	"fmt"
	"path/filepath"
)

// SourceKind says what kind of place a value came from.
type SourceKind uint8

// The places a value may come from, in order of rank: the last one that sets a key wins.
const (
	FromDefault SourceKind = iota
	FromFile
	FromEnvironment
	FromOverride
)

// Source says where the value of a key came from.
type Source struct {
	Kind SourceKind
	// Name is the file or the environment variable.
	Name string
	// Line is the line of the file, from 1.
	Line int
}

// String returns the source for an operator: "default", "butler.yaml:12",
// "environment BUTLER_LOGLEVEL" or "command line".
func (s Source) String() string {
	switch s.Kind {
	case FromFile:
		return fmt.Sprintf("%s:%d", filepath.Base(s.Name), s.Line)
	case FromEnvironment:
		return "environment " + s.Name
	case FromOverride:
		return commandLine
	default:
		return "default"
	}
}
