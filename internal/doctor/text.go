package doctor

import (
	"fmt"
	"strings"

	"butler/internal/text"
)

// Text formats the report for people: the findings of each check, each with what to
// do, and the totals.
func (r Report) Text() string {
	var out strings.Builder
	last := ""
	for _, l := range r.Lines {
		if l.Check != last {
			last = l.Check
			fmt.Fprintf(&out, "%s\n", l.Check)
		}
		what := l.Evidence
		if l.Subject != "" {
			what = l.Subject + ": " + what
		}
		fmt.Fprintf(&out, "  %-8s %s\n", l.Verdict, what)
		if l.Remedy != "" {
			fmt.Fprintf(&out, "           what to do: %s\n", l.Remedy)
		}
	}
	var parts []string
	for _, part := range []struct {
		count     int
		one, many string
	}{{r.OK, "ok", "ok"}, {r.Skipped, "skipped", "skipped"}, {r.Warnings, "warning", "warnings"}, {r.Problems, "problem", "problems"}} {
		if part.count > 0 {
			parts = append(parts, text.Count(part.count, part.one, part.many))
		}
	}
	fmt.Fprintf(&out, "\n%s\n", strings.Join(parts, ", "))
	return out.String()
}
