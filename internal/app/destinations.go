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

// Schemas returns the configuration schemas of the destinations.
func Schemas() []config.SchemaFragment {
	var out []config.SchemaFragment
	for _, d := range all.Definitions() {
		out = append(out, config.SchemaFragment{Section: d.Section, YAML: d.Schema})
	}
	return out
}

// dependencies returns what the service provides to every destination.
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
	single := connectPerMessage{cfg: cfg, deps: deps}
	deps.MQTT = func() (destination.Publisher, error) { return single, nil }
	return deps
}

// Table builds the routing table of a configuration from its destination instances
// and routes. An instance that cannot work is an error, unless the configuration was
// loaded in spite of its problems: then it is left out and logged.
func Table(cfg *config.Config, log *zap.Logger) (*destination.Table, error) {
	return tableWith(cfg, dependencies(cfg, log))
}

func tableWith(cfg *config.Config, deps destination.Deps) (*destination.Table, error) {
	var built []destination.Built
	var failed error
	for _, definition := range all.Definitions() {
		instances, err := definition.Build(cfg.Section, deps)
		built, failed = append(built, instances...), errors.Join(failed, err)
	}
	if failed != nil && len(cfg.Ignored()) == 0 {
		return nil, failed
	}
	if failed != nil {
		deps.Log.Error("destinations that cannot work as they are configured are left out", logx.Err(failed))
	}
	routes, err := destination.ReadRoutes(cfg.Section)
	if err != nil {
		return nil, err
	}
	if len(cfg.Ignored()) > 0 {
		built = withoutDuplicateNames(built, deps.Log)
		if failed != nil || slices.ContainsFunc(cfg.Ignored(), aboutRoutes) {
			deps.Log.Warn("parts of the configuration are ignored: every route continues, so that none silences alerts by mistake")
			continueAll(routes)
		}
	}
	return destination.NewTable(built, routes)
}

// Silencing returns the names of the routes that have no destination and do not
// continue, so that the alerts they match reach nobody.
func Silencing(cfg *config.Config) ([]string, error) {
	return destination.Silencing(cfg.Section, all.Definitions()...)
}

// SwitchedOff returns the disabled configuration section because of which nothing is
// ever sent through an instance, "" when something may be sent.
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

func aboutRoutes(p config.Problem) bool { return strings.HasPrefix(p.Path, "routes") }

func continueAll(routes []destination.Route) {
	for i := range routes {
		routes[i].Continue = true
	}
}

// withoutDuplicateNames keeps the first of several instances with the same name.
func withoutDuplicateNames(built []destination.Built, log *zap.Logger) []destination.Built {
	seen := map[string]bool{}
	return slices.DeleteFunc(built, func(b destination.Built) bool {
		name := b.Instance.Name
		if seen[name] {
			log.Error("a destination is left out, because another one has the same name", logx.Destination(name))
		}
		again := seen[name]
		seen[name] = true
		return again
	})
}

func (g *generation) buildTable() error {
	deps := dependencies(g.cfg, g.log)
	deps.HTTP, deps.BadTemplates = g.client, sharedMetrics(g.App, newTemplateErrors).of
	if err := g.buildMQTT(&deps); err != nil {
		return fmt.Errorf("set up the MQTT connection (mqttConfig): %w", err)
	}
	numbers, err := g.numbersFor()
	if err != nil {
		return err
	}
	g.numbers, deps.Numbers = numbers, numbers
	table, err := tableWith(g.cfg, deps)
	if err != nil {
		return fmt.Errorf("set up the destinations: %w", err)
	}
	g.table = table
	g.closer.add("connections of destinations", func(context.Context) error { table.Close(); return nil })
	return nil
}

// client returns an HTTP client whose idle connections are closed with the generation.
func (g *generation) client(o destination.HTTPOptions) (*http.Client, error) {
	client, err := httpc.New(o)
	if err == nil {
		g.closer.add("HTTP connections", func(context.Context) error { client.CloseIdleConnections(); return nil })
	}
	return client, err
}
