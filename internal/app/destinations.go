package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"butler/config"
	"butler/internal/destination"
	"butler/internal/destination/all"
	"butler/internal/httpc"
	"butler/internal/logx"
	"butler/internal/template"
	"butler/messages"
)

// Schemas lists what the destinations add to the schema of the configuration.
func Schemas() []config.SchemaFragment {
	var out []config.SchemaFragment
	for _, d := range all.Definitions() {
		out = append(out, config.SchemaFragment{Section: d.Section, YAML: d.Schema})
	}
	return out
}

// dependencies are what the program gives every destination.
func dependencies(cfg *config.Config, log *zap.Logger) destination.Deps {
	links := cfg.Links()
	deps := destination.Deps{
		Log:  log,
		HTTP: func(o destination.HTTPOptions) (*http.Client, error) { return httpc.New(o) },
		Links: template.Links{
			QMC: links.QMC, Hub: links.Hub, AppBaseURL: links.AppBaseURL,
		},
		Location: time.Local,
		BaseDir:  cfg.BaseDir(),
	}
	for _, g := range links.Generic {
		deps.Links.Generic = append(deps.Links.Generic, template.GenericURL(g))
	}
	alone := perMessage{cfg: cfg, deps: deps}
	deps.MQTT = func() (destination.Publisher, error) { return alone, nil }
	return deps
}

// Table builds the routing table of a configuration, with every configured destination
// instance. An instance that cannot work is an error, or is left out if the configuration
// was loaded in spite of its problems.
func Table(cfg *config.Config, log *zap.Logger) (*destination.Table, error) {
	return tableWith(cfg, dependencies(cfg, log))
}

func tableWith(cfg *config.Config, deps destination.Deps) (*destination.Table, error) {
	var built []destination.Built
	var left error
	for _, definition := range all.Definitions() {
		instances, err := definition.Build(cfg.Section, deps)
		built, left = append(built, instances...), errors.Join(left, err)
	}
	if left != nil && len(cfg.Ignored()) == 0 {
		return nil, left
	}
	if left != nil {
		deps.Log.Error("destinations that cannot work as they are configured are left out", logx.Err(left))
	}
	routes, err := destination.ReadRoutes(cfg.Section)
	if err != nil {
		return nil, err
	}
	if len(cfg.Ignored()) > 0 {
		built = withoutNamesakes(built, deps.Log)
		if left != nil || slices.ContainsFunc(cfg.Ignored(), aboutRoutes) {
			deps.Log.Warn("parts of the configuration are ignored: every route continues, so that none silences alerts by mistake")
			endless(routes)
		}
	}
	return destination.NewTable(built, routes)
}

// Silencing returns the names of the routes that have no destination and end the
// matching, so that nobody gets what they match.
func Silencing(cfg *config.Config) ([]string, error) {
	return destination.Silencing(cfg.Section, all.Definitions()...)
}

// SwitchedOff returns the section that has to be switched on for anything to be sent
// through an instance; "" if nothing is missing.
func SwitchedOff(cfg *config.Config, i destination.Instance) string {
	off := map[messages.AlertKind]string{}
	if !cfg.ServiceMonitor().Enable {
		for _, kind := range []messages.AlertKind{messages.ServiceStopped, messages.ServiceStarted, messages.ServiceStatus} {
			off[kind] = "serviceMonitor"
		}
	}
	if _, enabled, err := readCloud(cfg); err == nil && !enabled {
		off[messages.CloudReloadFailed] = "qlikSenseCloud"
	}
	for kind, read := range map[messages.AlertKind]func(*config.Config) monitorRow{
		messages.LicenseStatus: serverLicenseMonitor, messages.LicenseExpiring: serverLicenseMonitor,
		messages.AccessLicenseStatus: accessLicenseMonitor, messages.LicenseReleased: licenseReleaseMonitor, messages.SenseVersion: senseVersionMonitor,
	} {
		if row := read(cfg); !row.on {
			off[kind] = row.path
		}
	}
	section := ""
	for _, kind := range i.Kinds {
		if section = off[kind]; section == "" {
			return ""
		}
	}
	return section
}

// aboutRoutes reports whether a problem is one of the routes.
func aboutRoutes(p config.Problem) bool { return strings.HasPrefix(p.Path, "routes") }

// endless makes every route continue.
func endless(routes []destination.Route) {
	for i := range routes {
		routes[i].Continue = true
	}
}

// withoutNamesakes keeps only the first of several instances with the same name.
func withoutNamesakes(built []destination.Built, log *zap.Logger) []destination.Built {
	seen := map[string]bool{}
	return slices.DeleteFunc(built, func(b destination.Built) bool {
		name := b.Instance.Name
		if seen[name] {
			log.Error("a destination is left out, because another one has its name", logx.Destination(name))
		}
		again := seen[name]
		seen[name] = true
		return again
	})
}

func (a *App) buildTable() error {
	deps := dependencies(a.cfg, a.log)
	deps.HTTP, deps.BadTemplates = a.client, once(a.core, newTemplateErrors).of
	if err := a.buildMQTT(&deps); err != nil {
		return fmt.Errorf("set up the MQTT connection (mqttConfig): %w", err)
	}
	table, err := tableWith(a.cfg, deps)
	if err != nil {
		return fmt.Errorf("set up the destinations: %w", err)
	}
	a.table = table
	a.closer.add("connections of destinations", func(context.Context) error { table.Close(); return nil })
	return nil
}

// client returns an HTTP client whose idle connections are closed with the generation.
func (a *App) client(o destination.HTTPOptions) (*http.Client, error) {
	client, err := httpc.New(o)
	if err == nil {
		a.closer.add("HTTP connections", func(context.Context) error { client.CloseIdleConnections(); return nil })
	}
	return client, err
}
