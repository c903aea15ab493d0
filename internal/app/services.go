package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"butler/actors/monitor"
	"butler/config"
	"butler/internal/winsvc"
	"butler/internal/winsvc/probe"
	"butler/internal/winsvc/scm"
)

// The monitor of Windows services. Every host has a monitor of its own, so that a
// host that is slow or down does not delay the others.

// serviceMonitors returns a row for each host.
func serviceMonitors(cfg *config.Config) []monitorRow {
	section := cfg.ServiceMonitor()
	var rows []monitorRow
	for _, host := range serviceHosts(section) {
		rows = append(rows, monitorRow{
			name: "windows_services", instance: host.Name, path: "serviceMonitor", on: true,
			every: section.Frequency, atStart: true, timeout: section.Timeout,
			probe: func(g *generation) (monitor.Probe, error) {
				manager := g.opts.Services
				if manager == nil {
					native, ok := scm.Native()
					if !ok {
						return nil, nil // serviceFindings has warned of it
					}
					manager = native
				}
				look := probe.New(probe.Options{
					Host: host, Manager: manager, Damping: winsvc.Damping(section.FlapDamping),
					Log: g.log.Named("services"), Metrics: g.serviceGauges(), Memory: &g.services,
				}).Look
				return func(ctx context.Context, at time.Time) (monitor.Report, error) {
					report, err := look(ctx, at)
					return monitor.Report(report), err
				}, nil
			},
		})
	}
	return rows
}

// serviceGauges returns the metrics that the monitors of all hosts share.
func (a *App) serviceGauges() *winsvc.Metrics {
	return sharedMetrics(a, winsvc.NewMetrics)
}

// serviceHosts returns the configured hosts with their services, duplicates merged.
// Hosts and services with an invalid name are left out; serviceFindings reports them.
func serviceHosts(section config.ServiceMonitor) []probe.Host {
	if !section.Enable {
		return nil
	}
	var out []probe.Host
	at, seen := map[string]int{}, map[string]bool{}
	for _, h := range section.Hosts {
		host := strings.ToLower(h.Host)
		if winsvc.CheckHost(h.Host) != nil {
			continue
		}
		i, known := at[host]
		for _, s := range h.Services {
			key := host + "|" + strings.ToLower(s.Name)
			if winsvc.CheckService(s.Name) != nil || seen[key] {
				continue
			}
			seen[key] = true
			if !known {
				i, known = len(out), true
				at[host] = i
				out = append(out, probe.Host{Name: h.Host})
			}
			out[i].Services = append(out[i].Services, winsvc.Configured(s))
		}
	}
	return out
}

// serviceFindings returns the problems of the section serviceMonitor.
func serviceFindings(section config.ServiceMonitor) []config.Finding {
	if !section.Enable {
		return nil
	}
	var out []config.Finding
	if _, native := scm.Native(); !native {
		out = append(out, config.Finding{
			Path: "serviceMonitor.enable", Warning: true, Reason: "has no effect here: Windows services can only be watched from Windows",
			Suggestion: "run butler on a Windows machine, or set it to false",
		})
	}
	if len(serviceHosts(section)) == 0 {
		out = append(out, config.Finding{
			Path: "serviceMonitor.monitor", Warning: true, Reason: "names no service, so none is watched",
			Suggestion: "write - {host: localhost, services: [{name: QlikSenseEngineService}]}",
		})
	}
	for i, h := range section.Hosts {
		path := fmt.Sprintf("serviceMonitor.monitor[%d]", i)
		if err := winsvc.CheckHost(h.Host); err != nil {
			out = append(out, config.Finding{Path: path + ".host", Reason: err.Error(), Suggestion: "write the name of a machine, such as sense-1"})
		}
		for j, s := range h.Services {
			if err := winsvc.CheckService(s.Name); err != nil {
				out = append(out, config.Finding{
					Path: fmt.Sprintf("%s.services[%d].name", path, j), Reason: err.Error(),
					Suggestion: "write the service name that services.msc shows in the properties of the service",
				})
			}
		}
	}
	return out
}
