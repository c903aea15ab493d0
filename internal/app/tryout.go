package app

import (
	"context"
	"slices"

	"go.uber.org/zap"

	"butler/config"
	"butler/internal/destination"
	"butler/internal/destination/all"
	"butler/internal/tryout"
)

// TestAlerts sends test alerts through the configured destination instances, which
// are built as in the service.
func TestAlerts(ctx context.Context, cfg *config.Config, o tryout.Options) (tryout.Report, error) {
	table, err := Table(cfg, zap.NewNop())
	if err != nil {
		return tryout.Report{}, err
	}
	defer table.Close()
	return tryout.Send(ctx, table, cfg.Section, o)
}

// ShowMessage returns the message that a configured instance would send, without
// sending it.
func ShowMessage(cfg *config.Config, o tryout.PreviewOptions) (tryout.Preview, error) {
	return tryout.Show(siteOf(cfg), o)
}

// siteOf returns the destinations and the configuration for package tryout.
func siteOf(cfg *config.Config) tryout.Site {
	return tryout.Site{
		Definitions: all.Definitions(), Section: cfg.Section,
		Deps: func(log *zap.Logger) destination.Deps { return dependencies(cfg, log) },
	}
}

// templateKeys are the keys that name the template of an instance, by destination.
var templateKeys = map[string]string{"email": "bodyFileDirectory", "slack": "templateFile", "teams": "templateFile"}

// templateFindings warns of templates that can be read and still yield no message.
// Templates that known, the findings so far, already names are left out.
func templateFindings(cfg *config.Config, known []config.Finding) []config.Finding {
	var out []config.Finding
	for _, u := range tryout.Misfits(siteOf(cfg)) {
		path := u.Instance.Path + "." + templateKeys[u.Instance.Integration]
		if slices.ContainsFunc(known, func(f config.Finding) bool { return f.Path == path }) {
			continue
		}
		out = append(out, config.Finding{
			Path: path, Warning: true, Reason: u.Why,
			Suggestion: "the built-in layout is sent instead; butler template preview --destination " + u.Instance.Name + " shows what is sent",
		})
	}
	return out
}
