package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// table is a table for a terminal, in which a row may be followed by a line of its own
// for what is too long for a column.
type table struct {
	rows    strings.Builder
	details []string
}

// newTable returns a table with a heading.
func newTable(columns ...string) *table {
	t := new(table)
	t.row("", columns...)
	return t
}

// row adds a row and, if detail is not "", a line below it. Both are made safe for a
// terminal.
func (t *table) row(detail string, cells ...string) {
	for i, cell := range cells {
		if i > 0 {
			t.rows.WriteByte('\t')
		}
		t.rows.WriteString(shown(cell))
	}
	t.rows.WriteByte('\n')
	t.details = append(t.details, shown(detail))
}

// print writes the table.
func (t *table) print(out io.Writer) error {
	var aligned strings.Builder
	columns := tabwriter.NewWriter(&aligned, 0, 4, 2, ' ', 0)
	_, _ = io.WriteString(columns, t.rows.String()) // a Builder takes everything
	_ = columns.Flush()
	i := 0
	for line := range strings.Lines(aligned.String()) {
		if t.details[i] != "" {
			line += "    " + t.details[i] + "\n"
		}
		i++
		if _, err := io.WriteString(out, line); err != nil {
			return fmt.Errorf("print a table: %w", err)
		}
	}
	return nil
}
