package app

import (
	"fmt"
	"slices"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"

	"butler/actors/monitor"
	"butler/config"
	"butler/internal/cron"
	"butler/supervisors"
)

// monitorRow describes a monitor by the configuration.
type monitorRow struct {
	// name is a metric label and part of the name in /health. Where several monitors
	// share a name, instance tells them apart there.
	name, instance string
	// path is the section of the configuration.
	path string
	on   bool
	// every is the text of the key frequency; schedule is used instead if it is not nil.
	every    string
	schedule cron.Timetable
	// atStart runs the probe at the start as well.
	atStart bool
	// timeout bounds one probe; 0 means a minute.
	timeout time.Duration
	// needsQRS reports that the probe asks Qlik Sense: it does not run without one.
	needsQRS bool
	// probe makes the probe without running it. A nil probe cannot run on this system.
	probe func(*generation) (monitor.Probe, error)
	// gone resets the metrics when the monitor is switched off; nil when they stay.
	gone func(*App)
}

// monitorTable lists the monitors, except for those of Windows services. A new one
// needs a line here and a file that returns its row.
var monitorTable = []func(*config.Config) monitorRow{
	senseVersionMonitor, serverLicenseMonitor, accessLicenseMonitor, licenseReleaseMonitor,
	heartbeatMonitor, uptimeMonitor, queueMonitor,
}

// timetable returns when the probe is due.
func (r monitorRow) timetable() (cron.Timetable, error) {
	if r.schedule != nil {
		return r.schedule, nil
	}
	return cron.ParseText(r.every)
}

// monitorRows returns the rows of the enabled monitors.
func monitorRows(cfg *config.Config) []monitorRow {
	var rows []monitorRow
	for _, read := range monitorTable {
		if row := read(cfg); row.on {
			rows = append(rows, row)
		}
	}
	return append(rows, serviceMonitors(cfg)...)
}

// component identifies the monitor in names of actors and in /health.
func (r monitorRow) component() string {
	if r.instance == "" {
		return r.name
	}
	return r.name + "/" + r.instance
}

// actorName is the name of the actor, probeComponent the health of its probe.
func (r monitorRow) actorName() string      { return "monitor/" + r.component() }
func (r monitorRow) probeComponent() string { return "probe/" + r.component() }

// monitorFindings returns what keeps enabled monitors from running.
func monitorFindings(cfg *config.Config, isolated bool) []config.Finding {
	var out []config.Finding
	for _, r := range monitorRows(cfg) {
		if _, err := r.timetable(); err != nil {
			out = append(out, config.Finding{Path: r.path + ".frequency", Reason: err.Error(), Suggestion: `write it like "every 30 seconds" or "at 07:30"`})
		}
		if r.needsQRS && !isolated && !cfg.QRS().Enabled() {
			out = append(out, config.Finding{
				Path: r.path + ".enable", Reason: "needs the Qlik Sense repository, and there is none",
				Suggestion: "set configQRS.host, or switch the monitor off",
			})
		}
	}
	return slices.Compact(out)
}

// buildMonitors makes the probes of the enabled monitors.
func (g *generation) buildMonitors() error {
	for _, row := range monitorRows(g.cfg) {
		if row.needsQRS && g.gate.Client == nil {
			g.log.Warn("a monitor does not run, because no Qlik Sense is configured (configQRS.host)", monitorName(row.name))
			continue
		}
		if g.sameMonitor(row) && g.keep(row.actorName()) {
			continue
		}
		timetable, err := row.timetable()
		if err != nil {
			return fmt.Errorf("set up the monitor %s (%s.frequency): %w", row.name, row.path, err)
		}
		own := len(g.closer)
		probe, err := row.probe(g)
		if err != nil {
			return fmt.Errorf("set up the monitor %s (%s): %w", row.name, row.path, err)
		}
		if probe != nil {
			p := g.add(part{name: row.actorName(), components: []string{row.probeComponent()}, closer: g.closer.cut(own)})
			p.actors = []supervisors.Child{{Name: row.actorName(), Props: func() *actor.Props { return g.monitorProps(row, timetable, probe) }}}
			if row.gone != nil {
				p.gone = func() { row.gone(g.App) }
			}
		}
	}
	return nil
}

// sameMonitor reports whether nothing has changed that the monitor depends on.
func (g *generation) sameMonitor(row monitorRow) bool {
	return g.previous != nil && !g.changed.touches(row.path) &&
		(!row.needsQRS || !g.changed.touches("configQRS", "cert", "qrs") && g.sameCertificates())
}

func (a *App) monitorProps(row monitorRow, timetable cron.Timetable, probe monitor.Probe) *actor.Props {
	metrics := sharedMetrics(a, func(reg prometheus.Registerer) *monitor.Metrics { return monitor.NewMetrics(reg) })
	metrics.Expect(row.name)
	return monitor.Props(monitor.Options{
		Name: row.name, Schedule: timetable, AtStart: row.atStart, Timeout: row.timeout, Probe: probe,
		Kit: a.kit, Router: liveRouter{a}, Outbox: a.outbox, Notify: a.pids.notify, Log: a.log.Named("monitor"), Metrics: metrics,
		OnHealth: a.healthOf(row.probeComponent()),
	})
}
