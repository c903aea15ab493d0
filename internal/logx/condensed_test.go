package logx_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/logx"
)

func TestCondensed_writesTheFirstLineOfAKeyAndTheNumberOfTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zapcore.InfoLevel)
		log := zap.New(core)
		c := logx.NewCondensed()
		var want []string
		for n := range 500 {
			source := fmt.Sprint("10.0.0.", n%250)
			c.Warn(log, source, "call refused", logx.Source(source))
			if n <= 100 {
				want = append(want, fmt.Sprintf("call refused %s <nil>", source))
			}
		}
		if diff := cmp.Diff(want, linesOf(logs)); diff != "" {
			t.Errorf("at once (-want +got):\n%s", diff)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		later := linesOf(logs)
		if len(later) != 101 || later[0] != "call refused, again 10.0.0.0 1" || later[100] != "call refused, again other 299" {
			t.Errorf("want a summary of every key a minute later, got %q", later)
		}
		c.Warn(log, "10.0.0.3", "call refused", logx.Source("10.0.0.3"))
		time.Sleep(time.Hour)
		if diff := cmp.Diff([]string{"call refused 10.0.0.3 <nil>"}, linesOf(logs)); diff != "" {
			t.Errorf("in a new window (-want +got):\n%s", diff)
		}
	})
}

// linesOf takes the lines that were written since the last time.
func linesOf(logs *observer.ObservedLogs) []string {
	var out []string
	for _, line := range logs.TakeAll() {
		out = append(out, fmt.Sprint(line.Message, " ", line.ContextMap()["source"], " ", line.ContextMap()["count"]))
	}
	return out
}
