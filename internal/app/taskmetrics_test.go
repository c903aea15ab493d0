package app_test

import (
	"fmt"
	"strings"
	"testing"

	"butler/internal/qlik"
	"butler/internal/sim/world"
	"butler/messages"
)

func TestTaskMetrics_onlyOfTasksThatAreChosen(t *testing.T) {
	s, file := reloadSite(t, "")
	id, _ := s.sim.World.TaskOfType(qlik.TaskReload, 0)
	failures := func(n int) string {
		return fmt.Sprintf(`butler_task_consecutive_failures{task_id="%s"} %d`, strings.ToLower(id), n)
	}
	s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.untilMetric(`butler_task_executions_total{outcome="failed",task_type="reload"} 1`)
	if page := metricsPage(t, s.app); strings.Contains(page, "task_id=") || !strings.Contains(page, "butler_task_series_limit_reached_total 0") {
		t.Error("want nothing of a task that nobody chose")
	}

	edit(t, file, "  operations: {", "  operations: {taskMetrics: {tasks: ["+id+"]}, ")
	s.reload()
	s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.untilMetric(failures(1))
	edit(t, file, "/hook/failed", "/hook/elsewhere") // a change of something else
	s.reload()
	s.run(qlik.TaskReload, world.Fail(), messages.FamilyFailed)
	s.untilMetric(failures(2))
	s.run(qlik.TaskReload, world.Succeed(), messages.FamilySucceeded)
	s.untilMetric(failures(0))

	edit(t, file, "tasks: ["+id+"]", "tasks: []")
	s.reload()
	if page := metricsPage(t, s.app); strings.Contains(page, "task_id=") {
		t.Error("want nothing of a task that is not chosen any more")
	}
}
