package app

import "butler/actors/execution"

// taskMetrics tell of the tasks that the configuration chooses.
func (a *App) taskMetrics() *execution.TaskMetrics { return once(a.core, execution.NewTaskMetrics) }

// watchTasks puts the choice of the configuration in force.
func (a *App) watchTasks() {
	section := a.cfg.Operations().TaskMetrics
	a.taskMetrics().Watch(execution.TaskWatch{IDs: section.Tasks, Tags: section.TaskTags, Limit: section.MaxTasks})
}
