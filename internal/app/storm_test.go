package app_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"butler/internal/demo"
	"butler/internal/qlik"
	"butler/internal/sim/edge"
	"butler/internal/sim/world"
	"butler/messages"
)

// stormSize is how many reloads fail at once in the test below.
const stormSize = 2_000

// stormConfig sends everything to three more webhooks, and lets them recover quickly.
const stormConfig = `  delivery: {maxInFlight: 32, retryInitial: 100ms, retryMax: 1s, breakerOpenFor: 1s}
  routes:
    - name: storm
      continue: true
      webhook:
        - {rateLimit: 0, webhookURL: "%[1]s/refusing"}
        - {rateLimit: 0, webhookURL: "%[1]s/hanging"}
        - {rateLimit: 0, webhookURL: "%[1]s/throttling"}
`

// One destination refuses, one hangs and one asks to slow down. The others get
// everything; the three miss nothing once they have recovered; and memory does
// not grow with what waits. How little the others notice is measured in bench.
func TestStorm_losesNothingWhileThreeDestinationsAreBroken(t *testing.T) {
	s := siteOf(t)
	for _, rule := range []edge.Rule{
		{Name: "refusing", Kind: edge.ResetBefore},
		{Name: "hanging", Kind: edge.Hang},
		{Name: "throttling", Kind: edge.Status, Status: 429, RetryAfter: time.Second},
	} {
		rule.PathPrefix = "/" + rule.Name
		s.sim.HTTP.Faults().Set(rule)
	}
	s.startApp(demo.Settings{
		Off: []string{"email", "slack", "disklog"}, LogLevel: "error", Extra: fmt.Sprintf(stormConfig, s.sim.HTTP.URL()),
	})
	before := heap()
	executions := make([]string, 0, stormSize)
	for range stormSize {
		executions = append(executions, s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed).ExecutionID)
	}
	s.until("the others told of everything", func() bool {
		told := s.told()
		return told["webhook/reload_task_failed/1"] == stormSize && told["influxdb/reload_task_failed"] == stormSize
	})
	if _, waiting := s.app.Backlog(); waiting != 3*stormSize {
		t.Errorf("%d notices wait for the broken destinations, want %d", waiting, 3*stormSize)
	}
	if grown := heap() - before; grown > 512<<20 {
		t.Errorf("the heap has grown by %d MiB", grown>>20)
	}
	s.sim.HTTP.Faults().Clear()
	s.idle(5 * stormSize)
	s.wantEverybodyTold(executions)
}

// wantEverybodyTold finds every execution at every webhook.
func (s *site) wantEverybodyTold(executions []string) {
	s.t.Helper()
	got := map[string]map[string]bool{}
	for _, r := range s.sim.HTTP.History().All() {
		var body struct{ ExecutionID string }
		if !r.Delivered() || json.Unmarshal(r.Body, &body) != nil {
			continue
		}
		if got[r.Path] == nil {
			got[r.Path] = map[string]bool{}
		}
		got[r.Path][strings.ToLower(body.ExecutionID)] = true
	}
	for _, path := range []string{"/hook/failed", "/refusing", "/hanging", "/throttling"} {
		missing := 0
		for _, id := range executions {
			if !got[path][strings.ToLower(id)] {
				missing++
			}
		}
		if missing > 0 {
			s.t.Errorf("%s was not notified of %d executions", path, missing)
		}
	}
}

// heap returns the bytes in use after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}
