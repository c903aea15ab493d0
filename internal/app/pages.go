package app

import (
	"strings"

	"go.uber.org/zap"

	"butler/api/pages"
	"butler/api/web"
	"butler/config"
	"butler/internal/address"
	"butler/internal/buildinfo"
)

// The page that shows the configuration, and the health check for containers.

// buildPages opens the ports of the enabled pages.
func (g *generation) buildPages() error {
	if section := g.cfg.Page(); section.Enable {
		server, err := pages.ListenConfiguration(pages.ConfigurationOptions{
			Address: address.Listen(section.Host, section.Port), Sockets: &g.sockets, Log: g.log.Named("configuration"),
			View: func() (pages.Configuration, error) { return viewOf(g.cfg) },
		})
		if err != nil {
			return err
		}
		g.addPage("configuration page", server)
	}
	if section := g.cfg.HealthCheck(); section.Enable {
		server, err := pages.ListenLiveness(&g.sockets, address.Listen("localhost", section.Port), func() (bool, string) { return g.health.Ready(g.essential()...) })
		if err != nil {
			return err
		}
		g.addPage("health check", server)
	}
	return nil
}

func (g *generation) addPage(name string, server *web.Server) {
	g.addServer(name, server)
	g.log.Info("a page is served over HTTP", zap.String("page", name), zap.String("address", server.Address()))
}

// pageFindings warns of a configuration page that other machines can reach and that
// does not mask names of people and machines.
func pageFindings(section config.Page) []config.Finding {
	if !section.Enable || section.Obfuscate || config.IsLoopback(section.Host) {
		return nil
	}
	return []config.Finding{{
		Path: "configVisualisation.obfuscate", Warning: true,
		Reason:     "shows hosts, users, recipients and accounts to everybody who can reach configVisualisation.host, without a login",
		Suggestion: "set it to true, or configVisualisation.host to localhost",
	}}
}

// maskings describe what is masked, for the readers of the page.
var maskings = map[config.Masking]string{
	config.MaskPrivate: "Masked are secrets, and hosts, web addresses, users, recipients and accounts.",
	config.MaskSecrets: "configVisualisation.obfuscate is false: only secrets are masked. Whoever opens this page sees hosts, users, recipients and accounts.",
}

// viewOf returns the configuration as the page shows it.
func viewOf(cfg *config.Config) (pages.Configuration, error) {
	masking := config.MaskPrivate
	if !cfg.Page().Obfuscate {
		masking = config.MaskSecrets
	}
	shown, err := cfg.Shown(masking)
	if err != nil {
		return pages.Configuration{}, err
	}
	out := pages.Configuration{
		Version: buildinfo.Read().Version, File: cfg.File(), Masking: maskings[masking], Notes: cfg.Notes(), YAML: shown.YAML,
	}
	for _, s := range shown.Settings {
		section, _, below := strings.Cut(s.Path, ".")
		if !below {
			section = ""
		}
		out.Settings = append(out.Settings, pages.ConfigurationSetting{
			Section: section, Path: s.Path, Value: s.Value, Source: s.Source.String(), Doc: s.Doc,
			Set: s.Source.Kind != config.FromDefault, Masked: s.Masked,
		})
	}
	return out, nil
}
