package winsvc_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"butler/internal/winsvc"
	"butler/messages"
)

func TestMetrics_omitTheStateOfAnUnknownService(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := winsvc.NewMetrics(reg)
	m.Expect("sense-1", "Engine")
	m.Seen("sense-1", "Engine", winsvc.StopPending)
	m.Seen("sense-1", "Proxy", winsvc.Running)
	m.Seen("sense-1", "Gone", winsvc.Running)
	m.Unknown("sense-1", "Gone")
	m.Changed("sense-1", "Engine", messages.ServiceStopped)
	const want = `
# HELP butler_windows_service_running 1 while a watched Windows service runs, 0 while it is in any other state; absent while its state is unknown.
# TYPE butler_windows_service_running gauge
butler_windows_service_running{host="sense-1",service="Engine"} 0
butler_windows_service_running{host="sense-1",service="Proxy"} 1
# HELP butler_windows_service_transitions_total Windows services that stopped or started, without changes held back by flap damping.
# TYPE butler_windows_service_transitions_total counter
butler_windows_service_transitions_total{host="sense-1",service="Engine",to="started"} 0
butler_windows_service_transitions_total{host="sense-1",service="Engine",to="stopped"} 1
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
