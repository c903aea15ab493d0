package bench

import (
	"io"
	"testing"
)

// BenchmarkDecisions runs the measurement once an iteration, for a profile:
// go test ./bench -run '^$' -bench Decisions -benchtime 1x -cpuprofile cpu.out.
func BenchmarkDecisions(b *testing.B) {
	for b.Loop() {
		rate, _, err := decisions(io.Discard)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(rate, "events/s")
	}
}
