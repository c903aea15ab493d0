package app

import "butler/actors/execution"

// taskMetrics returns the metrics of the tasks that the configuration selects.
func (a *App) taskMetrics() *execution.TaskMetrics {
	return sharedMetrics(a, execution.NewTaskMetrics)
}

// watchTasks applies the selection of the configuration to the task metrics.
func (g *generation) watchTasks() {
	section := g.cfg.Operations().TaskMetrics
	g.taskMetrics().Watch(execution.TaskWatch{IDs: section.Tasks, Tags: section.TaskTags, Limit: section.MaxTasks})
}
