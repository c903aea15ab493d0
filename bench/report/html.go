package report

import (
	_ "embed"
	"html/template"
	"io"
	"maps"
	"slices"
	"time"

	"butler/bench"
)

//go:embed report.html.tmpl
var page string

// HTML writes a run as one self-contained page.
func HTML(w io.Writer, r bench.Report) error {
	parsed, err := template.New("report").Funcs(template.FuncMap{
		"number": number, "quantile": quantile, "value": value, "verdict": verdict, "ratio": ratio, "describe": describe, "charts": charts,
		"met":        bench.Figure.Met,
		"date":       date,
		"seconds":    func(s float64) string { return time.Duration(s * float64(time.Second)).Round(time.Second).String() },
		"operations": func(calls map[string]int) []string { return slices.Sorted(maps.Keys(calls)) },
	}).Parse(page)
	if err != nil {
		return err
	}
	return parsed.Execute(w, r)
}

// charts draws everything in a result that was measured over time.
func charts(r bench.Result) []template.HTML {
	var out []template.HTML
	for _, svg := range []template.HTML{
		latencies(r.Windows),
		throughput(r.Samples),
		over("Queue depth", "entries", r.Samples,
			reading{"undecided", func(s bench.Sample) float64 { return s.Pending }},
			reading{"undelivered", func(s bench.Sample) float64 { return s.Queued }}),
		over("Memory", "MiB", r.Samples, reading{"RSS", func(s bench.Sample) float64 { return s.RSS }}),
		over("CPU", "cores", r.Samples, reading{"CPU", func(s bench.Sample) float64 { return s.CPU }}),
	} {
		if svg != "" {
			out = append(out, svg)
		}
	}
	return out
}
