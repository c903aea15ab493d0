package config

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// FuzzLoad feeds any bytes as a file: it must end with a complete configuration
// or with problems that are fit for a terminal.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(sixLines))
	root := schema(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := load(Options{Path: "butler.yaml", Environ: []string{"HOME=/home/x"}}, root, data)
		if err != nil {
			problems, ok := errors.AsType[*Problems](err)
			if !ok {
				t.Fatalf("want problems, got %v", err)
			}
			if len(problems.List) == 0 || len(problems.List) > maxProblems {
				t.Errorf("want a few problems, got %d", len(problems.List))
			}
			for _, p := range problems.List {
				if line := p.String(); strings.ContainsAny(line, "\n\r\x1b\x00") || p.Reason == "" {
					t.Errorf("not fit for a terminal: %q", line)
				}
			}
			return
		}
		if _, err := json.Marshal(c.Masked()); err != nil {
			t.Errorf("the masked configuration is no plain data: %v", err)
		}
		if o := c.Operations(); o.Enable && !c.merged.GetBool("operations.allowRemote") && !IsLoopback(o.Host) {
			t.Errorf("operations are served on %q without leave", o.Host)
		}
		if u := c.UDP(); u.Enable && u.ValidateSources && len(u.AllowedSources) == 0 {
			t.Error("source validation is on without a source")
		}
		if e := c.Execution(); e.Shards < 1 || e.DegradedAfter < 0 {
			t.Errorf("values are out of range: %+v", e)
		}
	})
}
