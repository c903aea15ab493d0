// Command record runs the measurements of the service on this machine and
// writes them to bench/results: baseline.json for comparison, baseline.md to read.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"butler/bench"
	"butler/internal/buildinfo"
)

// report is a set of figures with what they were measured on.
type report struct {
	Machine  string         `json:"machine"`
	Go       string         `json:"go"`
	Revision string         `json:"revision"`
	Date     string         `json:"date"`
	Figures  []bench.Figure `json:"figures"`
}

func main() {
	out := flag.String("out", "bench/results", "directory of the results")
	name := flag.String("name", "baseline", "name of the result files")
	flag.Parse()
	bench.AsService()
	if err := run(*out, *name); err != nil {
		fmt.Fprintln(os.Stderr, "record:", err)
		os.Exit(1)
	}
}

func run(out, name string) error {
	figures, err := measure()
	if err != nil {
		return err
	}
	build := buildinfo.Read()
	r := report{
		Machine: fmt.Sprintf("%d cores, %s; load generator on the same machine", runtime.NumCPU(), build.Platform),
		Go:      build.GoVersion, Revision: build.Revision, Date: time.Now().UTC().Format(time.DateOnly), Figures: figures,
	}
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, name+".json"), append(raw, '\n'), 0o644); err != nil {
		return err
	}
	text := r.markdown()
	fmt.Print("\n" + text)
	return os.WriteFile(filepath.Join(out, name+".md"), []byte(text), 0o644)
}

func measure() ([]bench.Figure, error) {
	figures, err := bench.Ingest(os.Stderr)
	if err != nil {
		return nil, err
	}
	bare := figures[0].Value
	for _, next := range []func() ([]bench.Figure, error){
		func() ([]bench.Figure, error) { return bench.Decisions(os.Stderr, bare) },
		func() ([]bench.Figure, error) {
			return bench.Alerts(os.Stderr, "failed reload to webhook, 10/s, QRS answers at once", 0, 10, 100)
		},
		func() ([]bench.Figure, error) {
			return bench.Alerts(os.Stderr, "failed reload to webhook, 200/s, QRS answers in 5 ms", 5*time.Millisecond, 200, 2_000)
		},
		func() ([]bench.Figure, error) {
			return bench.Alerts(os.Stderr, "failed reload to webhook, 4,400/s offered, QRS answers in 5 ms", 5*time.Millisecond, 4_400, 44_000)
		},
		func() ([]bench.Figure, error) { return bench.Storm(os.Stderr) },
	} {
		more, err := next()
		if err != nil {
			return nil, err
		}
		figures = append(figures, more...)
	}
	return figures, nil
}

func (r report) markdown() string {
	var out strings.Builder
	fmt.Fprintf(&out, "# Measured\n\n`make bench` on %s, %s, %s.\n", r.Machine, r.Go, r.Date)
	out.WriteString("Absolute figures are of that machine; ratios compare two things of one run.\n\n| What | Value |\n|---|---:|\n")
	for _, f := range r.Figures {
		fmt.Fprintf(&out, "| %s | %.4g %s |\n", f.Name, f.Value, f.Unit)
	}
	return out.String()
}
