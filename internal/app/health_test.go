package app_test

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"testing"

	"butler/api/operations"
	"butler/internal/demo"
	"butler/internal/qlik"
	"butler/internal/sim/world"
	"butler/messages"
)

// get reads a page of the operations server.
func (s *site) get(path string, into any) int {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.app.OperationsAddress()+path, nil)
	must(s.t, err)
	req.Header.Set(operations.AdminHeader, "1")
	resp, err := client.Do(req)
	must(s.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	must(s.t, err)
	if into != nil {
		must(s.t, json.Unmarshal(body, into))
	}
	return resp.StatusCode
}

// component returns the state of a component, and the reason for it.
func (s *site) component(name string) (state, reason string) {
	s.t.Helper()
	var page struct {
		Components []struct{ Name, State, Reason string }
	}
	s.get("/health", &page)
	for _, c := range page.Components {
		if c.Name == name {
			return c.State, c.Reason
		}
	}
	return "", ""
}

func TestHealth_showsADestinationThatFailsUntilItRecovers(t *testing.T) {
	s := startSite(t, demo.Settings{
		InMemory: true, Off: []string{"email", "slack", "influxdb", "disklog"},
		Extra: "  delivery: {breakerFailures: 1, breakerOpenFor: 200ms, retryInitial: 100ms}",
	})
	const name = "destination/webhook/reload_task_failed/1"
	shows := func(want string) func() bool {
		return func() bool { state, _ := s.component(name); return state == want }
	}
	s.until("the webhook up", shows("up"))

	must(t, s.sim.HTTP.Refuse(true))
	s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.until("the webhook degraded", shows("degraded"))
	if _, reason := s.component(name); reason == "" {
		t.Error("want the reason beside the state")
	}
	if code := s.get("/readyz", nil); code != http.StatusOK {
		t.Errorf("want the service ready while a destination is not, got %d", code)
	}
	type delivery struct {
		Destination, Condition, LastError string
		Queued                            int
	}
	// Now and then it is closed, for an attempt.
	s.until("the webhook listed with an open breaker, one notice and the error", func() bool {
		var destinations []delivery
		s.get("/admin/destinations", &destinations)
		return slices.ContainsFunc(destinations, func(d delivery) bool {
			return d.Destination == "webhook/reload_task_failed/1" && d.Condition == string(messages.DeliveryBreakerOpen) && d.Queued == 1 && d.LastError != ""
		})
	})

	must(t, s.sim.HTTP.Refuse(false))
	s.until("the webhook up again", shows("up"))
	s.idle(1)
}
