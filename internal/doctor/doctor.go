// Package doctor owns how checks of an installation are run and reported: in
// parallel, each in bounded time, with a verdict, the evidence and what to do.
//
// It guarantees that Run ends when its checks are done or their time is up,
// whatever they do: a check that hangs is abandoned and reported as a problem, one
// that panics as a bug. Findings are in the order of the table, and every text is one
// line of bounded length without control characters. A check gets a context that ends
// when its time is up.
//
// It must never know what is checked, repeat a check, or print.
package doctor

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"butler/internal/text"
)

// Verdict is what a finding means.
type Verdict string

// The verdicts, from good to bad.
const (
	// OK: nothing to do.
	OK Verdict = "ok"
	// Skipped: not checked, for the reason in the evidence.
	Skipped Verdict = "skipped"
	// Warning: it works, but somebody should look.
	Warning Verdict = "warning"
	// Problem: something does not work.
	Problem Verdict = "problem"
)

// Finding is one thing that a check found.
type Finding struct {
	Verdict Verdict
	// Subject is the part of the check that it is about; "" means the whole.
	Subject string
	// Evidence is what was seen, with figures.
	Evidence string
	// Remedy says what to do; "" when there is nothing to do.
	Remedy string
}

// Check is a row of the table of checks.
type Check struct {
	// Name is what operators call it: "qrs".
	Name string
	// Network marks what contacts another machine.
	Network bool
	// Timeout bounds it; 0 means DefaultTimeout.
	Timeout time.Duration
	// Run looks and tells. It changes nothing, and returns when ctx ends.
	Run func(ctx context.Context) []Finding
}

const (
	// DefaultTimeout bounds a check that does not say otherwise.
	DefaultTimeout = 10 * time.Second
	// grace is how long a check may take to return its findings when its time is up.
	grace = time.Second
	// maxFindings bounds the findings of one check, maxText the characters of one text.
	maxFindings = 200
	maxText     = 600
)

// Line is a finding in a report.
type Line struct {
	Check    string  `json:"check"`
	Subject  string  `json:"subject,omitempty"`
	Verdict  Verdict `json:"verdict"`
	Evidence string  `json:"evidence"`
	Remedy   string  `json:"remedy,omitempty"`
	// Milliseconds is how long the whole check took.
	Milliseconds int64 `json:"milliseconds"`
}

// Report is the result of a run.
type Report struct {
	Lines    []Line `json:"checks"`
	OK       int    `json:"ok"`
	Skipped  int    `json:"skipped"`
	Warnings int    `json:"warnings"`
	Problems int    `json:"problems"`
}

// Verdict returns the worst verdict of the report.
func (r Report) Verdict() Verdict {
	switch {
	case r.Problems > 0:
		return Problem
	case r.Warnings > 0:
		return Warning
	}
	return OK
}

// Options say how a table is run.
type Options struct {
	// Offline leaves out what contacts another machine.
	Offline bool
	// Timeout bounds each check, whatever it asks for; 0 leaves that to the checks.
	Timeout time.Duration
}

// Run runs all checks at once and reports what they found, in the order of the table.
func Run(ctx context.Context, checks []Check, o Options) Report {
	results := make([][]Line, len(checks))
	var running sync.WaitGroup
	for i, c := range checks {
		running.Go(func() { results[i] = c.lines(ctx, o) })
	}
	running.Wait()
	report := Report{Lines: []Line{}}
	for _, lines := range results {
		for _, l := range lines {
			report.add(l)
		}
	}
	return report
}

func (r *Report) add(l Line) {
	r.Lines = append(r.Lines, l)
	switch l.Verdict {
	case OK:
		r.OK++
	case Skipped:
		r.Skipped++
	case Warning:
		r.Warnings++
	case Problem:
		r.Problems++
	}
}

// lines runs one check.
func (c Check) lines(ctx context.Context, o Options) []Line {
	began := time.Now()
	var findings []Finding
	if c.Network && o.Offline {
		findings = []Finding{{Verdict: Skipped, Evidence: "needs another machine, and --offline is given"}}
	} else {
		findings = c.bounded(ctx, cmp.Or(o.Timeout, c.Timeout, DefaultTimeout))
	}
	took := time.Since(began).Milliseconds()
	if more := len(findings) - maxFindings; more > 0 {
		findings = append(findings[:maxFindings:maxFindings], Finding{Verdict: Warning, Evidence: fmt.Sprintf("%d more findings are left out", more)})
	}
	out := make([]Line, len(findings))
	for i, f := range findings {
		out[i] = Line{
			Check: text.Line(c.Name, maxText), Subject: text.Line(f.Subject, maxText), Verdict: f.Verdict,
			Evidence: text.Line(f.Evidence, maxText), Remedy: text.Line(f.Remedy, maxText), Milliseconds: took,
		}
	}
	return out
}

// bounded runs the check in a goroutine of its own, which is abandoned when it does
// not end: the process exits soon after.
func (c Check) bounded(ctx context.Context, limit time.Duration) []Finding {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan []Finding, 1)
	go func() {
		defer func() {
			if cause := recover(); cause != nil {
				done <- []Finding{{Verdict: Problem, Evidence: fmt.Sprintf("the check crashed: %v", cause), Remedy: "this is a bug of butler: report it with this line"}}
			}
		}()
		done <- c.Run(ctx)
	}()
	late := time.NewTimer(limit + grace)
	defer late.Stop()
	select {
	case findings := <-done:
		return findings
	case <-late.C:
		return []Finding{{Verdict: Problem, Evidence: fmt.Sprintf("no answer within %s", limit), Remedy: "the checked system does not respond: examine it with other tools"}}
	}
}

// Good is a finding that all is well.
func Good(subject, format string, args ...any) Finding {
	return Finding{Verdict: OK, Subject: subject, Evidence: fmt.Sprintf(format, args...)}
}

// Warn returns a finding that somebody should look at.
func Warn(subject, evidence, remedy string) Finding {
	return Finding{Verdict: Warning, Subject: subject, Evidence: evidence, Remedy: remedy}
}

// Fail returns a finding that something does not work.
func Fail(subject, evidence, remedy string) Finding {
	return Finding{Verdict: Problem, Subject: subject, Evidence: evidence, Remedy: remedy}
}
