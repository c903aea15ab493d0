// Package report owns how a run is shown: a table for a terminal, JSON for
// machines, Markdown for the repository and one HTML page with charts.
//
// It guarantees that all of them show the same figures, and that the page needs
// nothing but itself. It must never measure.
package report
