package jetstream

import (
	"slices"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestServerLog_leavesTheBannerOut(t *testing.T) {
	core, lines := observer.New(zap.DebugLevel)
	l := &serverLog{log: zap.New(core)}
	for _, line := range []string{"Starting JetStream", `    _ ___ _____ ___`, "", "| || | _|  | |", "-----", "  Version:  2", "Server is ready"} {
		l.Noticef("%s", line)
	}
	var got []string
	for _, e := range lines.All() {
		got = append(got, e.ContextMap()["text"].(string))
	}
	if want := []string{"Starting JetStream", "Server is ready"}; !slices.Equal(got, want) {
		t.Errorf("want %q, got %q", want, got)
	}
}
