package web

import (
	"testing"
	"time"
)

func TestLimiter_countsEveryClientForItself(t *testing.T) {
	now := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	l := NewLimiter(2, func() time.Time { return now })
	admitted := func(client string) bool {
		used, _ := l.count(client)
		return used <= 2
	}
	for step, row := range []struct {
		client string
		after  time.Duration
		want   bool
	}{{"a", 0, true}, {"a", 0, true}, {"a", 0, false}, {"b", 0, true}, {"a", 59 * time.Second, false}, {"a", time.Second, true}} {
		now = now.Add(row.after)
		if got := admitted(row.client); got != row.want {
			t.Errorf("step %d: admitted %t, want %t", step, got, row.want)
		}
	}
}
