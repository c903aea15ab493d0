package app_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"

	"butler/config"
	"butler/internal/app"
	"butler/internal/demo"
	"butler/internal/destination"
	"butler/internal/destination/all"
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
				t.Errorf("who is notified (-want +got):\n%s", diff)
			}
			for _, r := range s.sim.HTTP.History().All() {
				if !r.Mentions(execution.TaskID) && !r.Mentions(execution.TaskName) {
					t.Errorf("%s does not name the task: %s", r.Path, r.Body)
				}
			}
		})
	}
}

// example loads the first configuration on a page below a heading, as the service would.
func example(t *testing.T, heading string, page ...string) *config.Config {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", ".."}, page...)...))
	must(t, err)
	_, below, found := strings.Cut("\n"+string(text), "\n"+heading+"\n")
	_, below, inside := strings.Cut(below, "```yaml\n")
	yaml, _, closed := strings.Cut(below, "```")
	if !found || !inside || !closed {
		t.Fatalf("want an example below %q", heading)
	}
	file := filepath.Join(t.TempDir(), "butler.yaml")
	must(t, os.WriteFile(file, []byte(yaml), 0o600))
	cfg, err := config.Load(config.Options{
		Path: file, Environ: []string{"NEW_RELIC_KEY=k3y", "SLACK_FINANCE=https://hooks.slack.com/services/T0/B0/k3y"},
		Schemas: app.Schemas(), Inspect: app.Inspection{Elsewhere: true}.Findings,
	})
	must(t, err)
	return cfg
}

// checkQueues wants a queue for every entry that the routes have for a
// destination, and returns how many there are.
func checkQueues(t *testing.T, cfg *config.Config, d destination.Definition) int {
	t.Helper()
	table, err := app.Table(cfg, zap.NewNop())
	must(t, err)
	var entries [][]any
	must(t, cfg.Section("routes[]."+d.Route, &entries))
	for r, list := range entries {
		for n := range list {
			path := fmt.Sprintf("routes[%d].%s[%d]", r, d.Route, n)
			if !slices.ContainsFunc(table.Built(), func(b destination.Built) bool { return b.Instance.Path == path }) {
				t.Errorf("want a queue for %s, got none", path)
			}
		}
	}
	return len(slices.Concat(entries...))
}

// The examples of the pages are files of an operator.
func TestRoutes_reachEveryDestinationAsItsPageShows(t *testing.T) {
	for _, d := range all.Definitions() {
		t.Run(d.Name, func(t *testing.T) {
			cfg := example(t, "## In a route", "internal", "destination", d.Name, "README.md")
			if checkQueues(t, cfg, d) == 0 {
				t.Errorf("want entries of %s in the example, got none", d.Route)
			}
		})
	}
}

func TestRoutes_leadWhereTheHandbookShows(t *testing.T) {
	cfg, entries := example(t, "# Routes: which alert goes where", "docs", "routes.md"), 0
	for _, d := range all.Definitions() {
		entries += checkQueues(t, cfg, d)
	}
	if entries != 2 {
		t.Errorf("want two entries, got %d", entries)
	}
}
