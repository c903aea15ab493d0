package app_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/demo"
	"butler/internal/qlik"
	"butler/internal/sim/world"
	"butler/messages"
)

// routesConfig has one route that ends the search, one that goes on and one
// that silences; %[1]s is the address of the sink.
const routesConfig = `
  routes:
    - name: one task
      match: {tasks: ["%[2]s"], events: [failed]}
      webhook: [{webhookURL: "%[1]s/one-task"}]
    - name: syncs
      match: {events: [user_sync_task_failed], taskTypes: [user_sync]}
      continue: true
      slack: [{webhookURL: "%[1]s/syncs", channel: identity}]
      email: [{fromAddress: butler@example.com, recipients: [identity@example.com]}]
    - name: quiet successes
      match: {events: [reload_task_succeeded]}
`

func TestRoutes_leadEventsWhereTheOperatorWants(t *testing.T) {
	for name, row := range map[string]struct {
		typ    qlik.TaskType
		end    world.Outcome
		family messages.Family
		want   map[string]int
	}{
		"a route of its own ends the search, stores excepted": {
			qlik.TaskReload, world.Fail(), messages.FamilyFailed,
			map[string]int{"webhook/routes/one task": 1, "influxdb/reload_task_failed": 1, "disklog/reload_task_failed": 1},
		},
		"another event of the task takes the sections": {
			qlik.TaskReload, world.Abort(), messages.FamilyAborted,
			map[string]int{"email/reload_task_aborted": 1, "slack/reload_task_aborted": 1, "webhook/reload_task_aborted/1": 1},
		},
		"an event without a section reaches people": {
			qlik.TaskUserSync, world.Fail(), messages.FamilyFailed,
			map[string]int{"slack/routes/syncs": 1, "email/routes/syncs": 1, "influxdb/user_sync_task_failed": 1},
		},
		"a route without a destination silences": {
			qlik.TaskReload, world.Succeed(), messages.FamilySucceeded,
			map[string]int{"influxdb/reload_task_succeeded": 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := siteOf(t)
			id, _ := s.sim.World.TaskOfType(qlik.TaskReload, 0)
			s.startApp(demo.Settings{InMemory: true, Extra: fmt.Sprintf(routesConfig, s.sim.HTTP.URL(), id)})
			execution := s.run(row.typ, row.end, row.family)
			s.until("the event decided", func() bool { return s.processed() == 1 })
			s.idle(len(row.want))
			got := s.told()
			for instance := range got {
				if strings.HasPrefix(instance, "email/") {
					got[instance] = 1 // one a recipient
				}
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("who is told (-want +got):\n%s", diff)
			}
			for _, r := range s.sim.HTTP.History().All() {
				if !r.Mentions(execution.TaskID) && !r.Mentions(execution.TaskName) {
					t.Errorf("%s does not name the task: %s", r.Path, r.Body)
				}
			}
		})
	}
}
