package bench_test

import "testing"

// The figures of a process come from /proc.
func TestRunner_reportsTheProcess(t *testing.T) {
	r := measure(t, fakeSpec(""), events)
	if figure(t, r, "peak memory") < 1 || figure(t, r, "kernel drops") != 0 {
		t.Errorf("want the memory of a process and no drops, got %v", r.Figures)
	}
	asleep := measure(t, fakeSpec("-sleep"), "rate: 50000\ncount: 5000\ndestinations: [webhook]\ndrain: 100ms\n")
	if drops := figure(t, asleep, "kernel drops"); drops == 0 {
		t.Error("want drops of a socket that nobody reads")
	}
	if lost := figure(t, asleep, "lost"); lost != 5000 {
		t.Errorf("want everything lost, got %v", lost)
	}
}
