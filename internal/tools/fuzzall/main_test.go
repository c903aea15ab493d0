package main

import "testing"

func TestEndedLate_isNoFinding(t *testing.T) {
	const head = "fuzz: elapsed: 5s, execs: 1013 (0/sec)\n--- FAIL: FuzzX (5.18s)\n"
	for name, row := range map[string]struct {
		said string
		want bool
	}{
		"the time ended within a call": {head + "    context deadline exceeded\nFAIL\n", true},
		"an input fails":               {head + "    --- FAIL: FuzzX (0.00s)\n        x_test.go:1: context deadline exceeded\n    \n    Failing input written to testdata/fuzz/FuzzX/1\n", false},
		"the target hangs":             {head + "    fuzzing process hung or terminated unexpectedly: exit status 2\n    Failing input written to testdata/fuzz/FuzzX/1\n", false},
		"nothing said":                 {"", false},
	} {
		if got := endedLate(row.said); got != row.want {
			t.Errorf("%s: want %v, got %v", name, row.want, got)
		}
	}
}
