//go:build peers

package app_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// promtool runs Prometheus' own checker, which Debian's package prometheus holds.
func promtool(t *testing.T, dir, input string, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "promtool", args...)
	c.Dir, c.Stdin = dir, strings.NewReader(input)
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestPromtool_acceptsTheMetrics(t *testing.T) {
	promtool(t, "", metricsPage(t, worked(t).app), "check", "metrics")
}

func TestPromtool_acceptsTheAlertRules(t *testing.T) {
	dir := filepath.Join("..", "..", "deploy", "prometheus")
	promtool(t, dir, "", "check", "rules", "alerts.yaml")
	promtool(t, dir, "", "test", "rules", "alerts_test.yaml")
}
