package app

import "butler/actors/execution"

// taskMetrics returns the metrics of the tasks that the configuration selects.
func (a *App) taskMetrics() *execution.TaskMetrics {
	return sharedMetrics(a.core, execution.NewTaskMetrics)
}

// watchTasks applies the selection of the configuration to the task metrics.
func (a *App) watchTasks() {
	section := a.cfg.Operations().TaskMetrics
	a.taskMetrics().Watch(execution.TaskWatch{IDs: section.Tasks, Tags: section.TaskTags, Limit: section.MaxTasks})
}
