package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"butler/bench"
)

// Plain replaces characters that would control a terminal, because names come from files
// of other authors.
func Plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// Table writes the figures of a run for a person at a terminal.
func Table(w io.Writer, r bench.Report) error {
	var text strings.Builder
	if a := r.Against; a != nil {
		fmt.Fprintf(&text, "\nthis run: %s, %s\nbaseline: %s, %s\nfigures in common: %d\n", date(r.Began), describe(r.Machine), date(a.Began), describe(a.Machine), a.Common)
	}
	for _, warning := range r.Warnings() {
		fmt.Fprintf(&text, "\nWARNING: %s\n", warning)
	}
	out := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, result := range r.Results {
		fmt.Fprintf(out, "\n%s\t\t\t\n", result.Title())
		if result.Skipped != "" {
			fmt.Fprintf(out, "  skipped: %s\t\t\t\n", result.Skipped)
		}
		for _, f := range result.Figures {
			fmt.Fprintf(out, "  %s\t%s\t%s\t%s\n", f.Name, value(f), verdict(f), ratio(f))
		}
		if len(result.Deliveries) > 1 {
			fmt.Fprintf(out, "  \treceived\tlost / repeated\tp50 / p99 / max ms\n")
			for _, d := range result.Deliveries {
				fmt.Fprintf(out, "  %s\t%d of %d\t%d / %d\t%s / %s / %s\n", d.Destination, d.Received, d.Expected, d.Lost, d.Duplicates+d.Foreign,
					quantile(d, d.P50), quantile(d, d.P99), quantile(d, d.Max))
			}
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, Plain(text.String()))
	return err
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// quantile formats a latency of a destination in milliseconds, "-" without a receipt.
func quantile(d bench.Delivery, ms float64) string {
	if d.Received == 0 {
		return "-"
	}
	return number(ms)
}

// value formats a figure with its unit.
func value(f bench.Figure) string {
	if f.Unmeasured {
		return "not measured"
	}
	return number(f.Value) + " " + f.Unit
}

// number formats with four significant digits, and integers with all of theirs.
func number(v float64) string {
	if v == float64(int64(v)) || v >= 10_000 {
		return thousands(int64(v))
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// verdict says whether a figure meets its bar, "" without one.
func verdict(f bench.Figure) string {
	if f.Bar == nil {
		return ""
	}
	mark := "MISSED"
	if f.Met() {
		mark = "ok"
	}
	return mark + " (" + limits(*f.Bar) + ")"
}

// limits formats a bar with comparison signs.
func limits(b bench.Bar) string {
	var out []string
	if b.Min != nil {
		out = append(out, ">= "+number(*b.Min))
	}
	if b.Max != nil {
		out = append(out, "<= "+number(*b.Max))
	}
	return strings.Join(out, ", ")
}

// ratio formats the ratio of the figure to the baseline, and whether it is better or worse.
func ratio(f bench.Figure) string {
	x, known := f.Ratio()
	if !known {
		return ""
	}
	return fmt.Sprintf("%.2f x baseline%s", x, tendency(f, x))
}

// tolerance is the relative difference of two runs that is neither better nor worse.
const tolerance = 0.1

func tendency(f bench.Figure, x float64) string {
	switch {
	case f.Better == "" || x > 1-tolerance && x < 1+tolerance:
		return ""
	case (x > 1) == (f.Better == "higher"):
		return ", better"
	default:
		return ", worse"
	}
}

// Markdown writes the figures of a run for the repository.
func Markdown(w io.Writer, r bench.Report) error {
	var out strings.Builder
	fmt.Fprintf(&out, "# Measured\n\n`butlerbench` measured %s on %s, %s, in %s.\n", r.Target, describe(r.Machine), r.Began.UTC().Format(time.DateOnly),
		time.Duration(r.Took*float64(time.Second)).Round(time.Second))
	out.WriteString("The generator, the repository and the sinks share the machine. Absolute figures are of that machine; ratios compare two things of one run.\n")
	if r.Revision != "" {
		fmt.Fprintf(&out, "Revision: %s.\n", r.Revision)
	}
	for _, warning := range r.Warnings() {
		fmt.Fprintf(&out, "\n**Warning**: %s.\n", warning)
	}
	for _, result := range r.Results {
		fmt.Fprintf(&out, "\n## %s\n\n%s.\n\n", result.Title(), result.What)
		if result.Skipped != "" {
			fmt.Fprintf(&out, "Skipped: %s.\n", result.Skipped)
			continue
		}
		out.WriteString("| What | Figure | Bar |\n|---|---:|---|\n")
		for _, f := range result.Figures {
			fmt.Fprintf(&out, "| %s | %s | %s |\n", f.Name, value(f), verdict(f))
		}
		if len(result.Deliveries) > 1 {
			out.WriteString("\n| Destination | Received | Lost | Repeated | p50 ms | p99 ms | max ms |\n|---|---:|---:|---:|---:|---:|---:|\n")
			for _, d := range result.Deliveries {
				fmt.Fprintf(&out, "| %s | %d of %d | %d | %d | %s | %s | %s |\n", d.Destination, d.Received, d.Expected, d.Lost, d.Duplicates+d.Foreign,
					quantile(d, d.P50), quantile(d, d.P99), quantile(d, d.Max))
			}
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func describe(m bench.Machine) string {
	after := ""
	if m.LoadAfter > 0 {
		after = fmt.Sprintf(", %.2f at its end", m.LoadAfter)
	}
	return fmt.Sprintf("%d cores of %s, %s, %s, %s (load average %.2f before the run%s)", m.Cores, m.CPU, m.Memory, m.System, m.Go, m.Load, after)
}

// Save writes the run as JSON.
func Save(path string, r bench.Report) error {
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// Load reads what Save wrote.
func Load(path string) (bench.Report, error) {
	var r bench.Report
	text, err := os.ReadFile(path)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("read %s: %w", path, err)
	}
	return r, nil
}
