package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"butler/actors/qrsgate"
	"butler/api"
	"butler/config"
	"butler/internal/buildinfo"
	"butler/internal/destination"
	"butler/internal/destination/all"
	"butler/internal/destination/email"
	"butler/internal/httpc"
	"butler/internal/logx"
	"butler/internal/metrics"
	"butler/internal/qlik/identity"
	"butler/internal/qlik/qrs"
	"butler/internal/qlik/scriptlog"
	"butler/internal/template"
	"butler/internal/udp"
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

// Table builds the routing table of a configuration: every configured
// destination instance, and who is told of what. What cannot work is an error,
// but is left out of a configuration that was loaded in spite of its problems.
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
			deps.Log.Warn("no route ends the search for receivers: one that is not as it was meant could keep alerts from everybody")
			endless(routes)
		}
	}
	return destination.NewTable(built, routes)
}

// Silencing returns the names of the routes that tell nobody, and keep what they
// match from everybody else.
func Silencing(cfg *config.Config) ([]string, error) {
	return destination.Silencing(cfg.Section, all.Definitions()...)
}

// SwitchedOff returns the section without which nothing is ever sent through an
// instance, where that is off; "" where something may be sent.
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

// endless lets every route continue.
func endless(routes []destination.Route) {
	for i := range routes {
		routes[i].Continue = true
	}
}

// withoutNamesakes leaves out the later ones of instances with one name.
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

// client makes an HTTP client whose connections end with the generation.
func (a *App) client(o destination.HTTPOptions) (*http.Client, error) {
	client, err := httpc.New(o)
	if err == nil {
		a.closer.add("HTTP connections", func(context.Context) error { client.CloseIdleConnections(); return nil })
	}
	return client, err
}

// buildSources reads the allow-list, if there is to be one.
func (a *App) buildSources() error {
	section := a.cfg.UDP()
	if !section.Enable || !section.ValidateSources {
		return nil
	}
	list, err := udp.NewAllowList(section.AllowedSources, net.DefaultResolver)
	if err != nil {
		return fmt.Errorf("set up the allow-list of sources (udpServerConfig.allowedSources): %w", err)
	}
	a.sources = list
	return nil
}

// gatePort is the QRS as the gate wants it: the client, with script logs.
type gatePort struct {
	*qrs.Client
	*scriptlog.Fetcher
}

// buildGate makes the QRS client, unless there is no QRS to ask.
func (a *App) buildGate() error {
	section := a.cfg.QRS()
	if !section.Enabled() || a.opts.Isolated {
		return nil
	}
	gate := a.cfg.Gate()
	a.qrsMetrics = once(a.core, qrs.NewMetrics)
	options := repositoryOptions(section)
	options.Timeout, options.MaxConns, options.Metrics = gate.Timeout, gate.MaxConcurrent, a.qrsMetrics
	options.Metadata = slices.ContainsFunc(a.table.Built(), func(b destination.Built) bool { return b.Instance.Needs.Metadata })
	client, err := qrs.New(options)
	if err != nil {
		return fmt.Errorf("set up the connection to the Qlik Repository Service (configQRS, cert): %w", err)
	}
	a.gate = gatePort{client, scriptlog.New(scriptlog.Options{
		Source: client, Log: a.log.Named("scriptlog"), Metrics: once(a.core, scriptlog.NewMetrics),
	})}
	a.closer.add("QRS connections", func(context.Context) error { client.Close(); return nil })
	return nil
}

// repositoryOptions say where the repository is and how to log in.
func repositoryOptions(section config.QlikServer) qrs.Options {
	options := qrs.Options{
		Host: section.Host, Port: section.Port, UseSSL: section.UseSSL, InsecureSkipVerify: !section.RejectUnauthorized,
	}
	if section.UseSSL {
		options.CertFile, options.KeyFile, options.CAFile = section.ClientCert, section.ClientKey, section.CA
	}
	for _, h := range section.Headers {
		options.Headers = append(options.Headers, identity.Header{Name: h.Name, Value: h.Value.Reveal()})
	}
	return options
}

// port returns the QRS for the gate; nil when there is none.
func (a *App) port() qrsgate.Port {
	if a.gate.Client == nil {
		return nil
	}
	return a.gate
}

// listenOperations binds the operations server.
func (a *App) listenOperations() error {
	section := a.cfg.Operations()
	if !section.Enable {
		return nil
	}
	server, err := api.Listen(api.Options{
		Address: hostPort(section.Host, section.Port), Sockets: &a.sockets, Log: a.log.Named("api"), Configuration: a.cfg.AbsoluteFile(),
		Metrics: metrics.Handler(a.reg), Admin: admin{a}, Explainer: explainer{a}, Reload: a.reloadNow,
		Ready: func() (bool, string) { return a.health.Ready(a.essential()...) },
		Health: func() (string, any) {
			state, components := a.health.Report()
			return string(state), components
		},
	})
	if err != nil {
		return err
	}
	a.server = server
	a.log.Info("metrics, health and administration are served over HTTP", zap.String("address", server.Address()))
	a.addServer("operations server", server)
	return nil
}

// essential lists the components without which no event is taken.
func (a *App) essential() []string {
	names := []string{"journal/" + logEvents, "journal/" + logLedger, "executions", "notify"}
	if a.first.UDP().Enable {
		names = append(names, "ingest", socketComponent)
	}
	return names
}

// say writes what an operator should know at the start.
func (a *App) say() {
	a.sayConfiguration()
	var names []string
	for _, b := range a.table.Built() {
		names = append(names, b.Instance.Name)
	}
	build := buildinfo.Read()
	a.log.Info("starting", zap.String("version", build.Version), zap.String("revision", build.Revision), zap.Int("pid", os.Getpid()),
		logx.Path(a.cfg.File()), zap.Strings("destinations", names))
}

// sayConfiguration writes what an operator should know of a configuration.
func (a *App) sayConfiguration() {
	for _, line := range a.cfg.Assumed() {
		a.log.Info("assumed", zap.String("what", line))
	}
	for _, p := range a.cfg.Ignored() {
		a.log.Error("problem in the configuration is ignored", zap.String("problem", p.String()))
	}
	for _, p := range a.cfg.Warnings() {
		a.log.Warn("warning of the configuration", zap.String("problem", p.String()))
	}
	for _, line := range a.cfg.Notes() {
		a.log.Warn("note", zap.String("what", line))
	}
}

func hostPort(host string, port int) string {
	if host == "" {
		return ":" + strconv.Itoa(port)
	}
	return netJoin(host, port)
}

// SendTestMail sends one test mail with the configured server and tells the log
// how that went.
func (a *App) SendTestMail(ctx context.Context, to, from string) {
	var section email.Config
	err := a.cfg.Section("emailNotification", &section)
	if err == nil {
		bounded, cancel := context.WithTimeout(ctx, testMailTimeout)
		defer cancel()
		err = email.SendTest(bounded, section, to, from, uuid.NewString())
	}
	if err != nil {
		a.log.Error("test mail could not be sent", logx.Err(err))
		return
	}
	a.log.Info("test mail sent")
}

// testMailTimeout bounds the sending of the test mail.
const testMailTimeout = 30 * time.Second
