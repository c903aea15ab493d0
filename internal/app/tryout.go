package app

import (
	"context"

	"go.uber.org/zap"

	"butler/config"
	"butler/internal/destination"
	"butler/internal/destination/all"
	"butler/internal/tryout"
)

// TestAlerts sends test alerts through the configured destination instances, built
// as the service builds them.
func TestAlerts(ctx context.Context, cfg *config.Config, o tryout.Options) (tryout.Report, error) {
	table, err := Table(cfg, zap.NewNop())
	if err != nil {
		return tryout.Report{}, err
	}
	defer table.Close()
	return tryout.Send(ctx, table, cfg.Section, o)
}

// ShowMessage returns what would be sent through a configured instance, and sends nothing.
func ShowMessage(cfg *config.Config, o tryout.PreviewOptions) (tryout.Preview, error) {
	return tryout.Show(tryout.Site{
		Definitions: all.Definitions(), Section: cfg.Section,
		Deps: func(log *zap.Logger) destination.Deps { return dependencies(cfg, log) },
	}, o)
}
