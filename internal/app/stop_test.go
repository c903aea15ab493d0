package app_test

import (
	"context"
	"net"
	"testing"
	"time"

	"butler/internal/demo"
	"butler/internal/qlik"
	"butler/internal/sim/edge"
	"butler/internal/sim/world"
	"butler/messages"
)

// A client that never ends its request and a destination that never answers cost
// the end of the service its time, and nothing else.
func TestStop_isInOrderWhateverHangs(t *testing.T) {
	s := siteOf(t)
	s.sim.HTTP.Faults().Set(edge.Rule{Name: "hanging", Kind: edge.Hang})
	s.startApp(demo.Settings{Off: []string{"email", "disklog"}})
	client, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.app.OperationsAddress())
	must(t, err)
	defer client.Close()
	_, err = client.Write([]byte("GET /metrics HTTP/1.1\r\nHost: "))
	must(t, err)
	s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.untilMetric("butler_events_processed_total")
	s.until("a call that hangs", func() bool { return s.sim.HTTP.Faults().Hits("hanging") > 0 })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.app.Stop(ctx); err != nil {
		t.Errorf("want an end in order, got %v", err)
	}
	told := s.logs.FilterMessage("stopped").All()
	if len(told) != 1 {
		t.Fatalf("want the end told once, got %d lines", len(told))
	}
	if left, ok := told[0].ContextMap()["notices_left"].(int64); !ok || left < 1 {
		t.Errorf("want the notices told that wait, got %v", told[0].ContextMap())
	}
	s.app = nil
}
