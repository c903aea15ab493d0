package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"butler/bench"
)

// line is one curve of a chart. Points without a value are NaN.
type line struct {
	name   string
	class  string
	points []point
}

type point struct{ x, y float64 }

// The size of a chart and the room for its labels.
const (
	width, height            = 460.0, 190.0
	left, right, top, bottom = 56.0, 10.0, 26.0, 24.0
	gridLines                = 4
	plotWidth, plotHeight    = width - left - right, height - top - bottom
	legendWidth              = 70.0
)

// chart draws curves over seconds as SVG; "" when there is nothing to draw.
func chart(title, unit string, lines ...line) template.HTML {
	maxX, maxY, drawn := 0.0, 0.0, false
	for _, l := range lines {
		for _, p := range l.points {
			if !math.IsNaN(p.y) {
				maxX, maxY, drawn = max(maxX, p.x), max(maxY, p.y), true
			}
		}
	}
	if !drawn {
		return ""
	}
	maxX, maxY = max(maxX, 0.001), nice(maxY)
	var out strings.Builder
	fmt.Fprintf(&out, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, width, height, template.HTMLEscapeString(title))
	fmt.Fprintf(&out, `<text class="t" x="%g" y="14">%s<tspan class="n"> %s</tspan></text>`, left, template.HTMLEscapeString(title), template.HTMLEscapeString(unit))
	for i := range gridLines + 1 {
		y := top + plotHeight*float64(i)/gridLines
		fmt.Fprintf(&out, `<line class="g" x1="%g" y1="%.1f" x2="%g" y2="%.1f"/>`, left, y, width-right, y)
		fmt.Fprintf(&out, `<text class="n" x="%g" y="%.1f" text-anchor="end">%s</text>`, left-5, y+3.5, number(maxY*float64(gridLines-i)/gridLines))
	}
	fmt.Fprintf(&out, `<text class="n" x="%g" y="%g">0 s</text>`, left, height-8)
	fmt.Fprintf(&out, `<text class="n" x="%g" y="%g" text-anchor="end">%.3g s</text>`, width-right, height-8, maxX)
	for i, l := range lines {
		fmt.Fprintf(&out, `<polyline class="%s" points="%s"/>`, l.class, path(l.points, maxX, maxY))
		if len(lines) > 1 {
			x := width - right - legendWidth*float64(len(lines)-i)
			fmt.Fprintf(&out, `<text class="n %s-text" x="%g" y="14">%s</text>`, l.class, x, template.HTMLEscapeString(l.name))
		}
	}
	out.WriteString("</svg>")
	return template.HTML(out.String()) // every text in it is escaped above
}

func path(points []point, maxX, maxY float64) string {
	var out strings.Builder
	for _, p := range points {
		if !math.IsNaN(p.y) {
			fmt.Fprintf(&out, "%.1f,%.1f ", left+plotWidth*p.x/maxX, top+plotHeight*(1-p.y/maxY))
		}
	}
	return out.String()
}

// nice rounds up to 1, 2 or 5 times a power of ten.
func nice(v float64) float64 {
	if v <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 2, 5, 10} {
		if v <= step*unit {
			return step * unit
		}
	}
	return v
}

// latencies draws the quantiles over time.
func latencies(windows []bench.Window) template.HTML {
	p50, p99, largest := line{name: "p50", class: "a"}, line{name: "p99", class: "b"}, line{name: "max", class: "c"}
	for _, w := range windows {
		if w.Received > 0 {
			p50.points = append(p50.points, point{w.At, w.P50})
			p99.points = append(p99.points, point{w.At, w.P99})
			largest.points = append(largest.points, point{w.At, w.Max})
		}
	}
	return chart("Latency", "ms, by time of sending", p50, p99, largest)
}

// throughput draws the numbers sent and received a second.
func throughput(samples []bench.Sample) template.HTML {
	sent, received := line{name: "sent", class: "a"}, line{name: "received", class: "b"}
	var before bench.Sample
	for _, s := range samples {
		if took := s.At - before.At; took > 0 {
			sent.points = append(sent.points, point{s.At, float64(s.Sent-before.Sent) / took})
			received.points = append(received.points, point{s.At, float64(s.Received-before.Received) / took})
		}
		before = s
	}
	return chart("Throughput", "a second", sent, received)
}

// over draws one or two readings of the samples, without unknown values.
func over(title, unit string, samples []bench.Sample, readings ...reading) template.HTML {
	lines := make([]line, len(readings))
	for i, r := range readings {
		lines[i] = line{name: r.name, class: string(rune('a' + i))}
		for _, s := range samples {
			if v := r.of(s); v >= 0 {
				lines[i].points = append(lines[i].points, point{s.At, v})
			}
		}
	}
	return chart(title, unit, lines...)
}

type reading struct {
	name string
	of   func(bench.Sample) float64
}
