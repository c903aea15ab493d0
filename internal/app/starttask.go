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

// Starting tasks of Qlik Sense on somebody's behalf.

// startFilter returns the filter of a configuration, and the entries among its task IDs that are none.
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

// buildStarter makes the one way in which tasks are started. Without a repository
// there is none.
func (a *App) buildStarter() error {
	a.startFilter, _ = startFilter(a.cfg.StartFilter()) // the inspection has told of bad entries
	if a.gate.Client == nil {
		return nil
	}
	options := starttask.Options{
		Repository: a.gate.Client, Filter: a.startFilter, Audit: auditStart(a.log.Named("audit")), Metrics: once(a.core, starttask.NewMetrics),
	}
	if a.storesPairs {
		options.KeyValues = keyValues{a}
	}
	a.starter = starttask.New(options)
	return nil
}

// onBehalf is the caller that stands for the service itself: nobody had to show
// credentials on the way that from names.
func onBehalf(way starttask.Way, from string) starttask.Caller {
	return starttask.Caller{
		Principal: apikey.Principal{Scopes: []apikey.Scope{apikey.Start, apikey.KV}}, Way: way, From: from,
	}
}

// errNoStarts is why tasks cannot be started without a repository.
var errNoStarts = messages.Failure{
	Kind: messages.FailureRejected, Text: "the service does not know a Qlik Sense to start tasks in; set Butler.configQRS.host",
}

// startTask starts one task whose ID is all that is known of the request.
func (a *App) startTask(ctx context.Context, c starttask.Caller, taskID string) error {
	if a.starter == nil {
		return errNoStarts
	}
	return a.starter.StartTask(ctx, c, taskID)
}

// auditStart writes what was done or denied to the log.
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

// startFilterFindings tells of entries of the filter that are never met.
func startFilterFindings(cfg *config.Config) []config.Finding {
	var out []config.Finding
	_, bad := startFilter(cfg.StartFilter())
	for _, entry := range bad {
		out = append(out, config.Finding{
			Warning: true, Path: "startTaskFilter.allowTask.taskId", Reason: fmt.Sprintf("%.60q is no task ID and allows nothing", entry),
			Suggestion: "copy the 36 characters from the task in the QMC",
		})
	}
	return out
}
