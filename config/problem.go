package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"butler/internal/text"
)

// Problem is one thing that is wrong with the configuration.
type Problem struct {
	// File is where it stands: a file name, "environment" or "command line".
	File string
	// Line and Column count from 1; 0 when there is no place in a file.
	Line, Column int
	// Path names the key below the root: "slackNotification.enable".
	Path string
	// Reason says what is wrong. It never holds a secret.
	Reason string
	// Suggestion says what to write instead; empty when nobody can know.
	Suggestion string
	// Warning marks what the service can run with.
	Warning bool
}

// String returns the problem as one line: "file:line:column: path: reason
// (suggestion)". A warning says so before the path.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
		if p.Column > 0 {
			fmt.Fprintf(&b, ":%d", p.Column)
		}
	}
	if p.Warning {
		b.WriteString(": warning")
	}
	for _, part := range []string{p.Path, strings.TrimSuffix(p.Reason, ".")} { // errors of Windows end with a full stop
		if part != "" {
			b.WriteString(": " + part)
		}
	}
	if p.Suggestion != "" {
		b.WriteString(" (" + p.Suggestion + ")")
	}
	return b.String()
}

// Problems is the error of Load: everything that is wrong, not the first of it.
type Problems struct {
	// List is sorted by place.
	List []Problem
	// More counts the problems beyond the limit on List.
	More int
	// Warnings are told along with the problems.
	Warnings []Problem
	// Files are those that values refer to, with absolute paths.
	Files []string
}

// maxProblems bounds the problems that are listed: a file that is not a configuration
// at all would fill the terminal.
const maxProblems = 100

// Count returns how many problems there are; warnings are none.
func (p *Problems) Count() int { return len(p.List) + p.More }

// Error returns one line per problem and warning, sorted by place.
func (p *Problems) Error() string {
	lines := make([]string, 0, len(p.List)+len(p.Warnings)+1)
	for _, one := range byPlace(slices.Concat(p.List, p.Warnings)) {
		lines = append(lines, one.String())
	}
	if p.More > 0 {
		lines = append(lines, "and "+text.Count(p.More, "more problem", "more problems"))
	}
	return strings.Join(lines, "\n")
}

// add notes a problem or a warning.
func (p *Problems) add(one Problem) {
	one.Path = printablePath(one.Path)
	switch {
	case one.Warning && len(p.Warnings) < maxProblems:
		p.Warnings = append(p.Warnings, one)
	case one.Warning:
	case len(p.List) >= maxProblems:
		p.More++
	default:
		p.List = append(p.List, one)
	}
}

// orNil returns p as an error, nil when there is no problem.
func (p *Problems) orNil() error {
	p.Warnings = byPlace(p.Warnings)
	if p.List = byPlace(p.List); len(p.List) == 0 {
		return nil
	}
	return p
}

// byPlace sorts problems; those of one place keep their order.
func byPlace(list []Problem) []Problem {
	slices.SortStableFunc(list, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return list
}

// Bounds on foreign text in a message, in characters: a value, the path of a key
// (longer than any in the schema), and a whole sentence.
const (
	maxShown    = 80
	maxPath     = 160
	maxSentence = 300
)

// printable makes text of a file safe to print: one short line without control characters.
func printable(s string) string { return oneLine(s, maxShown) }

// printablePath makes the path of a key safe to print.
func printablePath(s string) string { return oneLine(s, maxPath) }

// oneLine replaces characters that cannot be printed, and cuts what is beyond limit.
func oneLine(s string, limit int) string {
	count := 0
	return strings.Map(func(r rune) rune {
		count++
		switch {
		case count == limit+1:
			return '…'
		case count > limit:
			return -1
		}
		return text.Visible(r)
	}, s)
}

// quoted shows a value that is no secret.
func quoted(s string) string { return `"` + printable(s) + `"` }
