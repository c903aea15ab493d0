package app

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"butler/actors/monitor"
	"butler/config"
	"butler/internal/licence"
	"butler/internal/qlik/qrs"
	"butler/messages"
)

// The monitors that ask Qlik Sense: its version, the server licence, and the use
// of the access licences.

// licenceGauges returns the metrics that the monitors of licences share.
func (a *App) licenceGauges() *licence.Metrics {
	return sharedMetrics(a, licence.NewMetrics)
}

// licences returns a new client for calls about licences. Every monitor has its own.
func (g *generation) licences() (*qrs.Client, error) {
	options := repositoryOptions(g.cfg.QRS())
	options.MaxConns, options.Metrics = 1, g.qrsMetrics
	client, err := qrs.New(options)
	if err != nil {
		return nil, err
	}
	g.closer.add("QRS connections for licences", func(context.Context) error { client.Close(); return nil })
	return client, nil
}

func senseVersionMonitor(cfg *config.Config) monitorRow {
	section := cfg.VersionMonitor()
	probe := func(g *generation) (monitor.Probe, error) {
		options := repositoryOptions(g.cfg.QRS())
		options.BaseURL = "https://" + net.JoinHostPort(strings.Trim(section.Host, "[]"), strconv.Itoa(section.Port)) + "/v1/"
		options.Headers, options.CAFile = nil, ""
		if section.RejectUnauthorized {
			options.CAFile = g.cfg.QRS().CA
		}
		options.InsecureSkipVerify = !section.RejectUnauthorized
		options.Timeout, options.MaxConns, options.Metrics = versionTimeout, 1, g.qrsMetrics
		client, err := qrs.New(options)
		if err != nil {
			return nil, err
		}
		g.closer.add("connection for the version", func(context.Context) error { client.Close(); return nil })
		return func(ctx context.Context, _ time.Time) (monitor.Report, error) {
			info, err := client.SystemInfo(ctx)
			if err != nil {
				return monitor.Report{}, err
			}
			g.log.Info("the version of Qlik Sense", zap.String("product", info.ProductName), zap.String("deployment", info.DeploymentType),
				zap.String("version", info.Version), zap.String("release", info.ReleaseLabel))
			return monitor.Report{Alerts: []messages.Alert{{Kind: messages.SenseVersion, Points: licence.Version(info)}}}, nil
		}, nil
	}
	return monitorRow{
		name: "sense_version", path: "qlikSenseVersion.versionMonitor", on: section.Enable, every: section.Frequency,
		atStart: true, needsQRS: true, probe: probe,
	}
}

// versionTimeout bounds a call for the version.
const versionTimeout = 10 * time.Second

func serverLicenseMonitor(cfg *config.Config) monitorRow {
	section := cfg.ServerLicenseMonitor()
	probe := func(g *generation) (monitor.Probe, error) {
		client, err := g.licences()
		if err != nil {
			return nil, err
		}
		gauges := g.licenceGauges()
		return func(ctx context.Context, at time.Time) (monitor.Report, error) {
			found, err := client.License(ctx)
			if err != nil {
				return monitor.Report{}, err
			}
			now := licence.Server(found, at)
			gauges.Server(now)
			report := monitor.Report{Alerts: []messages.Alert{{Kind: messages.LicenseStatus, License: now}}}
			if now.ExpiryDate != "" && !now.DaysKnown {
				report.Trouble = fmt.Sprintf("the expiry of the licence is %.40q, which is not a date", now.ExpiryDate)
			}
			fields := []zap.Field{zap.Bool("expired", now.Expired), zap.String("expires", now.ExpiryDate)}
			if now.DaysKnown {
				fields = append(fields, zap.Int("days_left", now.DaysLeft))
			}
			if !licence.Expiring(now, section.Alert.ThresholdDays) {
				g.log.Info("the server licence of Qlik Sense", fields...)
				return report, nil
			}
			g.log.Warn("the server licence of Qlik Sense ends soon, or has ended", fields...)
			report.Alerts = append(report.Alerts, messages.Alert{Kind: messages.LicenseExpiring, License: now})
			return report, nil
		}, nil
	}
	return monitorRow{
		name: "server_license", path: "qlikSenseLicense.serverLicenseMonitor", on: section.Enable, every: section.Frequency,
		atStart: true, needsQRS: true, probe: probe, gone: func(a *App) { a.licenceGauges().Server(messages.License{}) },
	}
}

func accessLicenseMonitor(cfg *config.Config) monitorRow {
	section := cfg.AccessLicenseMonitor()
	probe := func(g *generation) (monitor.Probe, error) {
		client, err := g.licences()
		if err != nil {
			return nil, err
		}
		gauges := g.licenceGauges()
		return func(ctx context.Context, _ time.Time) (monitor.Report, error) {
			overview, err := client.AccessOverview(ctx)
			if err != nil {
				return monitor.Report{}, err
			}
			gauges.Usage(overview)
			points := licence.Usage(overview)
			g.log.Info("read the use of access licences", zap.Int("license_types", len(points)))
			return monitor.Report{Alerts: []messages.Alert{{Kind: messages.AccessLicenseStatus, Points: points}}}, nil
		}, nil
	}
	return monitorRow{
		name: "access_license", path: "qlikSenseLicense.licenseMonitor", on: section.Enable, every: section.Frequency,
		atStart: true, needsQRS: true, probe: probe, gone: func(a *App) { a.licenceGauges().Usage(qrs.AccessOverview{}) },
	}
}

func monitorName(name string) zap.Field { return zap.String("monitor", name) }
