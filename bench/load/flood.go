package load

import "fmt"

// line has the length of a realistic failure event, about 330 bytes. All its variable
// parts have fixed widths.
const line = `/scheduler-reload-failed/;sense-node-%02d;Daily sales reload of the northern region %04d;Sales dashboard of the northern region;INTERNAL\sa_scheduler;` +
	`%08x-b5a6-7890-1234-567890abcdef;a1b2c3d4-e5f6-7890-abcd-ef1234567890;2026-05-06 14:23:45,123;WARN;` +
	`%08x-c5d4-3210-fedc-ba0987654321;Max retries reached and the task was given up`

// Flood returns a load of failure events of one size, about fifty tasks that do not exist.
// first is the number of the first execution, so that the floods of a run do not overlap.
func Flood(rate, count, first int) Load {
	event := func(b []byte, n int) []byte {
		return fmt.Appendf(b, line, n%50, n%50, n%50, first+n)
	}
	return Load{Rate: float64(rate), Count: count, Size: len(event(nil, 0)), Append: event, Prepared: true}
}
