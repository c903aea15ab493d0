package app

import (
	"context"
	"fmt"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"butler/config"
	"butler/internal/apikey"
	"butler/internal/logx"
	"butler/internal/starttask"
	"butler/messages"
)

// Starting tasks of Qlik Sense.

// startFilter returns the filter of the configuration, and those entries of its task
// IDs that are not task IDs.
func startFilter(section config.StartFilter) (starttask.Filter, []string) {
	if !section.Enable {
		return starttask.Filter{}, nil
	}
	allow := starttask.AllowList{TaskIDs: section.AllowTask.TaskID, Tags: section.AllowTask.Tag}
	for _, p := range section.AllowTask.CustomProperty {
		allow.Properties = append(allow.Properties, messages.Property(p))
	}
	return starttask.NewFilter(allow)
}

// buildStarter makes the starter that REST API, MQTT and schedules share. Without a
// repository there is none.
func (g *generation) buildStarter() error {
	g.startFilter, _ = startFilter(g.cfg.StartFilter()) // startFilterFindings warns of invalid entries
	if g.gate.Client == nil {
		return nil
	}
	options := starttask.Options{
		Repository: g.gate.Client, Filter: g.startFilter, Audit: auditStart(g.log.Named("audit")), Metrics: sharedMetrics(g.App, starttask.NewMetrics),
	}
	if g.kvServed {
		options.KeyValues = keyValues{g}
	}
	g.starter = starttask.New(options)
	return nil
}

// onBehalf returns the caller for a start without credentials, by MQTT or a schedule.
// from names the topic or the schedule for the audit log.
func onBehalf(way starttask.Way, from string) starttask.Caller {
	return starttask.Caller{
		Principal: apikey.Principal{Scopes: []apikey.Scope{apikey.Start, apikey.KV}}, Way: way, From: from,
	}
}

// errNoStarts is returned for every start when no repository is configured.
var errNoStarts = messages.Failure{
	Kind: messages.FailureRejected, Text: "no Qlik Sense is configured in which tasks could be started; set Butler.configQRS.host",
}

// startTask starts one task by its ID.
func (g *generation) startTask(ctx context.Context, c starttask.Caller, taskID string) error {
	if g.starter == nil {
		return errNoStarts
	}
	return g.starter.StartTask(ctx, c, taskID)
}

// auditStart returns a function that logs every start, and every one that was denied.
func auditStart(log *zap.Logger) func(starttask.Event) {
	return func(e starttask.Event) {
		level := zapcore.InfoLevel
		if slices.Contains([]starttask.Outcome{starttask.Denied, starttask.Failed, starttask.Skipped}, e.Outcome) {
			level = zapcore.WarnLevel
		}
		fields := []zap.Field{
			zap.String("action", string(e.Action)), zap.String("outcome", string(e.Outcome)), zap.String("way", string(e.Caller.Way)),
			logx.Source(e.Caller.From), zap.String("caller", e.Caller.Name), zap.String("credential", e.Caller.Credential),
		}
		for _, f := range []zap.Field{
			logx.TaskID(e.Task.ID), logx.TaskName(e.Task.Name), zap.String("tag", e.Tag),
			zap.String("property", e.Property.Name), zap.String("value", e.Property.Value),
			zap.String("namespace", e.Namespace), zap.String("key", e.Key), logx.Reason(e.Reason),
		} {
			if f.String != "" {
				fields = append(fields, f)
			}
		}
		log.Log(level, "task start", append(fields, logx.Err(e.Err))...)
	}
}

// startFilterFindings warns of entries of the filter that match no task.
func startFilterFindings(cfg *config.Config) []config.Finding {
	var out []config.Finding
	_, bad := startFilter(cfg.StartFilter())
	for _, entry := range bad {
		out = append(out, config.Finding{
			Warning: true, Path: "startTaskFilter.allowTask.taskId", Reason: fmt.Sprintf("%.60q is not a task ID and allows nothing", entry),
			Suggestion: "copy the 36 characters from the task in the QMC",
		})
	}
	return out
}
