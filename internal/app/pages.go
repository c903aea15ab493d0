package app

import (
	"strings"

	"go.uber.org/zap"

	"butler/api"
	"butler/config"
	"butler/internal/address"
	"butler/internal/buildinfo"
)

// The page of the configuration, and the answer to health checks of containers.

// page is a server of its own beside the operations server and the REST API.
type page struct {
	name   string
	server *api.Server
}

// buildPages opens the ports of the pages that are enabled.
func (a *App) buildPages() error {
	if section := a.cfg.Page(); section.Enable {
		server, err := api.ListenConfiguration(api.ConfigurationOptions{
			Address: address.Listen(section.Host, section.Port), Sockets: &a.sockets, Log: a.log.Named("configuration"),
			View: func() (api.Configuration, error) { return viewOf(a.cfg) },
		})
		if err != nil {
			return err
		}
		a.addPage("configuration page", server)
	}
	if section := a.cfg.HealthCheck(); section.Enable {
		server, err := api.ListenLiveness(&a.sockets, address.Listen("localhost", section.Port), func() (bool, string) { return a.health.Ready(a.essential()...) })
		if err != nil {
			return err
		}
		a.addPage("health check", server)
	}
	return nil
}

func (a *App) addPage(name string, server *api.Server) {
	a.pages = append(a.pages, page{name, server})
	a.addServer(name, server)
	a.log.Info("a page is served over HTTP", zap.String("page", name), zap.String("address", server.Address()))
}

// servePages answers until the servers are shut down.
func (a *App) servePages() {
	for _, p := range a.pages {
		a.serve.Go(func() {
			if err := p.server.Serve(); err != nil {
				a.onFatal(p.name, err)
			}
		})
	}
}

// exposed warns of a page that shows people and machines to whoever can reach it.
func exposed(section config.Page) []config.Finding {
	if !section.Enable || section.Obfuscate || config.IsLoopback(section.Host) {
		return nil
	}
	return []config.Finding{{
		Path: "configVisualisation.obfuscate", Warning: true,
		Reason:     "shows hosts, users, recipients and accounts to everybody who can reach configVisualisation.host, without a login",
		Suggestion: "set it to true, or configVisualisation.host to localhost",
	}}
}

// maskings say in words what is masked.
var maskings = map[config.Masking]string{
	config.MaskPrivate: "Masked are secrets, and hosts, web addresses, users, recipients and accounts.",
	config.MaskSecrets: "configVisualisation.obfuscate is false: only secrets are masked. Whoever opens this page sees hosts, users, recipients and accounts.",
}

// viewOf returns what may be seen of a configuration.
func viewOf(cfg *config.Config) (api.Configuration, error) {
	masking := config.MaskPrivate
	if !cfg.Page().Obfuscate {
		masking = config.MaskSecrets
	}
	shown, err := cfg.Shown(masking)
	if err != nil {
		return api.Configuration{}, err
	}
	out := api.Configuration{
		Version: buildinfo.Read().Version, File: cfg.File(), Masking: maskings[masking], Notes: cfg.Notes(), YAML: shown.YAML,
	}
	for _, s := range shown.Settings {
		section, _, below := strings.Cut(s.Path, ".")
		if !below {
			section = ""
		}
		out.Settings = append(out.Settings, api.ConfigurationSetting{
			Section: section, Path: s.Path, Value: s.Value, Source: s.Source.String(), Doc: s.Doc,
			Set: s.Source.Kind != config.FromDefault, Masked: s.Masked,
		})
	}
	return out, nil
}
