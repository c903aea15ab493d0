// Package report owns the presentation of a run: a table for a terminal, JSON for
// machines, Markdown for the repository and an HTML page with charts.
//
// It guarantees that all of them show the same figures, and that the page is
// self-contained. It must never measure.
package report
