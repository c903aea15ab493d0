// Package checks owns the checks of an installation: of its configuration, this
// machine, Qlik Sense, and the systems that are told. Package doctor runs them and
// reports their findings.
//
// It guarantees that a check uses the code and the settings of the service itself,
// that a check which cannot be made says so, and that every problem comes with advice.
// It must never change anything, nor send anybody a message.
package checks

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"butler/api/sockets"
	"butler/config"
	"butler/internal/address"
	"butler/internal/destination"
	"butler/internal/doctor"
	tenant "butler/internal/qlik/cloud"
	"butler/internal/qlik/engine"
	"butler/internal/qlik/qrs"
	"butler/internal/text"
)

// Installation is a configuration on this machine, and what the service would make of it.
type Installation struct {
	Config *config.Config
	// Built are the destinations; Unbuilt is why some are missing.
	Built   []destination.Built
	Unbuilt error
	// Endpoints are the names of the enabled endpoints of the REST API.
	Endpoints []string
	// Certified reports whether the certificate files for a server of Qlik Sense can
	// be used.
	Certified func(config.QlikServer) bool
	// Repository, Engine and Tenant are the options of the clients. Engine and Tenant
	// are nil when they are not used.
	Repository qrs.Options
	Engine     *engine.Options
	Tenant     *tenant.Options
	// Broker probes the MQTT broker, over a connection of its own.
	Broker destination.Prober
}

// inspection is one run of the checks on an installation.
type inspection struct {
	Installation
	// service asks the service of this configuration how it is; ok is false when it does not answer.
	service func() (serviceState, bool)
}

// table lists the groups of checks. A group is a function that returns its checks.
var table = []func(*inspection) []doctor.Check{
	configurationChecks, serviceChecks, certificateChecks, qrsChecks, engineChecks, cloudChecks,
	udpChecks, diskChecks, destinationChecks, accessChecks, timeZoneChecks,
}

// Run checks everything that a service with this configuration relies on, whether
// the service runs or not. It changes nothing. Problems in spite of which the
// configuration was loaded are part of the report.
func Run(ctx context.Context, i Installation, o doctor.Options) doctor.Report {
	p := &inspection{Installation: i}
	p.service = sync.OnceValues(func() (serviceState, bool) { return askService(ctx, i.Config.Operations()) })
	var checks []doctor.Check
	for _, rows := range table {
		checks = append(checks, rows(p)...)
	}
	return doctor.Run(ctx, checks, o)
}

// Unreadable is the report on a configuration that cannot be read at all.
func Unreadable(ctx context.Context, err error) doctor.Report {
	return doctor.Run(ctx, []doctor.Check{{Name: "configuration", Run: func(context.Context) []doctor.Finding {
		problems, ok := errors.AsType[*config.Problems](err)
		if !ok {
			return []doctor.Finding{doctor.Fail("", err.Error(), "name a YAML file that can be read")}
		}
		var out []doctor.Finding
		for _, one := range problems.List {
			out = append(out, configurationFinding(one))
		}
		return out
	}}}, doctor.Options{})
}

// configurationChecks report what `butler check` reports.
func configurationChecks(p *inspection) []doctor.Check {
	return []doctor.Check{{Name: "configuration", Run: func(context.Context) []doctor.Finding {
		var out []doctor.Finding
		for _, one := range slices.Concat(p.Config.Ignored(), p.Config.Warnings()) {
			out = append(out, configurationFinding(one))
		}
		if p.Unbuilt != nil {
			out = append(out, doctor.Fail("", p.Unbuilt.Error(), "correct it: the service does not start like this"))
		}
		if len(out) == 0 {
			what := "the built-in defaults are"
			if file := p.Config.File(); file != "" {
				what = file + " is"
			}
			out = append(out, doctor.Good("", "%s valid, %d destination instances", what, len(p.Built)))
		}
		if p.Unbuilt == nil && len(p.Built) == 0 {
			out = append(out, doctor.Warn("", "no destination is enabled, so nobody is notified", "see docs/destinations.md"))
		}
		return out
	}}}
}

func configurationFinding(p config.Problem) doctor.Finding {
	remedy := cmp.Or(p.Suggestion, "see docs/configuration.md")
	p.Suggestion, p.Path = "", strings.TrimSpace(p.Path)
	f := doctor.Finding{Verdict: doctor.Problem, Remedy: remedy}
	if p.Warning {
		f.Verdict, p.Warning = doctor.Warning, false // which the line says already
	}
	f.Evidence = p.String()
	return f
}

// serviceState is what the operations server says of the service.
type serviceState struct {
	State      string
	Components []struct{ Name, State, Reason string }
}

// component returns the state of a part of the service, "" when it has none of that name.
func (s serviceState) component(name string) string {
	for _, c := range s.Components {
		if c.Name == name {
			return c.State
		}
	}
	return ""
}

const (
	// serviceTimeout bounds the call to the running service.
	serviceTimeout = 2 * time.Second
	maxServiceText = 1 << 20
)

// askService asks the operations server on this machine for the state of the service.
func askService(ctx context.Context, section config.Operations) (state serviceState, ok bool) {
	if !section.Enable || section.Port == 0 {
		return state, false
	}
	ctx, cancel := context.WithTimeout(ctx, serviceTimeout)
	defer cancel()
	page := "http://" + address.Join(address.Reachable(section.Host), section.Port) + "/health"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, http.NoBody)
	if err != nil {
		return state, false
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return state, false
	}
	defer resp.Body.Close()
	err = json.NewDecoder(io.LimitReader(resp.Body, maxServiceText)).Decode(&state)
	return state, err == nil && state.State != "" && state.component("notify") != ""
}

// serviceChecks report the state of the running service, and whether its ports are
// free when it does not run.
func serviceChecks(p *inspection) []doctor.Check {
	return []doctor.Check{
		{Name: "service", Run: func(context.Context) []doctor.Finding { return p.serviceFindings() }},
		{Name: "ports", Run: p.portFindings},
	}
}

func (p *inspection) serviceFindings() []doctor.Finding {
	state, runs := p.service()
	if !runs {
		return []doctor.Finding{doctor.Good("", "does not run, or not with this configuration (operations.host, operations.port)")}
	}
	out := []doctor.Finding{doctor.Good("", "runs, and is %s", state.State)}
	for _, c := range state.Components {
		if c.State != "up" {
			out = append(out, doctor.Warn(c.Name, c.State+": "+c.Reason, "see the log and docs/operations.md"))
		}
	}
	return out
}

// listener is a TCP port that the service wants.
type listener struct {
	key, host string
	port      int
}

func (p *inspection) listeners() []listener {
	var out []listener
	add := func(enabled bool, key, host string, port int) {
		if enabled && port != 0 {
			out = append(out, listener{key, host, port})
		}
	}
	operations, rest, page, health := p.Config.Operations(), p.Config.RESTServer(), p.Config.Page(), p.Config.HealthCheck()
	add(operations.Enable, "operations.port", operations.Host, operations.Port)
	add(rest.Enable, "restServerConfig.serverPort", rest.Host, rest.Port)
	add(page.Enable, "configVisualisation.port", page.Host, page.Port)
	add(health.Enable, "dockerHealthCheck.port", "localhost", health.Port)
	return out
}

func (p *inspection) portFindings(ctx context.Context) []doctor.Finding {
	var out []doctor.Finding
	for _, l := range p.listeners() {
		out = append(out, p.portFinding(ctx, l))
	}
	return out
}

func (p *inspection) portFinding(ctx context.Context, l listener) doctor.Finding {
	socket, err := new(net.ListenConfig).Listen(ctx, "tcp", address.Listen(l.host, l.port))
	subject := fmt.Sprintf("%s %d", l.key, l.port)
	if err == nil {
		_ = socket.Close()
		return doctor.Good(subject, "is free")
	}
	if _, runs := p.service(); runs && sockets.InUse(err) {
		return doctor.Good(subject, "is taken, and the service runs")
	}
	return doctor.Fail(subject, "cannot be opened: "+text.Line(err.Error(), 200), freePort(err, 't', l.port, l.key))
}

// freePort says how to mend that a port cannot be opened. The protocol is 't' for TCP or
// 'u' for UDP.
func freePort(err error, protocol rune, port int, key string) string {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Sprintf("ports below 1024 need root or CAP_NET_BIND_SERVICE; grant it, or change %s", key)
	}
	return fmt.Sprintf("find out which program uses it with %s, or change %s", whoHas(protocol, port), key)
}

// whoHas returns the command that shows which program uses a port.
func whoHas(protocol rune, port int) string {
	if runtime.GOOS == "windows" {
		return fmt.Sprintf("netstat -ano | findstr :%d", port)
	}
	return fmt.Sprintf("ss -l%cnp 'sport = :%d'", protocol, port)
}

// timeZoneChecks look for the time zone database, without which schedules can only
// use UTC.
func timeZoneChecks(*inspection) []doctor.Check {
	return []doctor.Check{{Name: "time zones", Run: func(context.Context) []doctor.Finding {
		if _, err := time.LoadLocation("Europe/Stockholm"); err != nil {
			return []doctor.Finding{doctor.Fail("", err.Error(), "install the package tzdata, or unset ZONEINFO")}
		}
		now := time.Now()
		return []doctor.Finding{doctor.Good("", "are known; here it is %s", now.Format("15:04 MST (-07:00)"))}
	}}}
}
