package app

import (
	"context"

	"go.uber.org/zap"

	"butler/config"
	"butler/internal/doctor"
	"butler/internal/doctor/checks"
)

// Diagnose checks everything that a service with this configuration relies on,
// whether or not the service runs. It changes nothing.
func Diagnose(ctx context.Context, cfg *config.Config, o doctor.Options) doctor.Report {
	i := checks.Installation{
		Config: cfg, Repository: repositoryOptions(cfg.QRS()), Broker: connectPerMessage{cfg, dependencies(cfg, zap.NewNop())},
		Certified: func(section config.QlikServer) bool { return len(Inspection{}.certificates(section)) == 0 },
	}
	table, err := Table(cfg, zap.NewNop())
	if i.Unbuilt = err; err == nil {
		i.Built = table.Built()
	}
	if enabled, err := endpoints(cfg); err == nil {
		i.Endpoints = enabled
	}
	if section := cfg.Engine(); cfg.RESTServer().Enable && wantsEngine(i.Endpoints) && section.Server.Enabled() {
		options := engineOptions(section)
		i.Engine = &options
	}
	if section, enabled, err := readCloud(cfg); err == nil && enabled {
		options := section.options(cfg)
		i.Tenant = &options
	}
	return checks.Run(ctx, i, o)
}
