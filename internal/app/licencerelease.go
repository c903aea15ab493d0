package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"butler/actors/monitor"
	"butler/config"
	"butler/internal/journal"
	"butler/internal/licence"
	"butler/internal/logx"
	"butler/internal/qlik/qrs"
	"butler/internal/wholefile"
	"butler/messages"
)

// releaseRules converts the configuration of the release of licences.
func releaseRules(s config.LicenseRelease) licence.Rules {
	never := s.NeverRelease
	r := licence.Rules{DryRun: s.DryRun, Limit: s.MaxPerRun, Never: licence.Never{
		Tags: never.Tag, Directories: never.UserDirectory,
		Inactive: licence.When(never.Inactive), Blocked: licence.When(never.Blocked), RemovedOutside: licence.When(never.RemovedExternally),
	}}
	for _, u := range never.User {
		r.Never.Users = append(r.Never.Users, licence.User{Directory: u.UserDir, ID: u.UserID})
	}
	for _, p := range never.CustomProperty {
		r.Never.Properties = append(r.Never.Properties, messages.Property(p))
	}
	if t := s.LicenseType.Professional; t.Enable {
		r.Types = append(r.Types, licence.TypeRules{Type: qrs.Professional, Days: t.ReleaseThresholdDays})
	}
	if t := s.LicenseType.Analyzer; t.Enable {
		r.Types = append(r.Types, licence.TypeRules{Type: qrs.Analyzer, Days: t.ReleaseThresholdDays})
	}
	return r
}

// releaseTimeout bounds one run, which makes calls for every candidate.
const releaseTimeout = time.Hour

func licenseReleaseMonitor(cfg *config.Config) monitorRow {
	section := cfg.LicenseRelease()
	rules := releaseRules(section)
	probe := func(g *generation) (monitor.Probe, error) {
		client, err := g.licences()
		if err != nil {
			return nil, err
		}
		seen := firstSeenTimes{g.ledger}
		gauges := g.licenceGauges()
		run := licence.Options{
			Rules: rules, Repository: client, FirstSeen: seen.of,
			Write: releaseReports{directory: section.ReportDirectory}.write,
			Decided: func(licenceType string, e licence.Entry) {
				gauges.Decided(licenceType, e)
				g.logLicence(section.DryRun, licenceType, e)
				if e.Action == licence.ActionReleased {
					seen.forget(e.ID)
				}
			},
		}
		return func(ctx context.Context, at time.Time) (monitor.Report, error) {
			report, err := run.Run(ctx, at.Local())
			g.log.Info("the release of access licences has run", zap.Bool("dry_run", section.DryRun),
				zap.Int("released", report.Count(licence.ActionReleased)), zap.Int("would_be_released", report.Count(licence.ActionPlanned)),
				zap.Int("kept", report.Count(licence.ActionKept)), zap.Int("failed", report.Count(licence.ActionFailed)),
				zap.Int("left_for_later", report.Count(licence.ActionLater)), logx.Path(section.ReportDirectory))
			return monitor.Report{Alerts: releasedAlerts(report)}, err
		}, nil
	}
	return monitorRow{
		name: "license_release", path: "qlikSenseLicense.licenseRelease", on: section.Enable && len(rules.Types) > 0, every: section.Frequency,
		atStart: true, needsQRS: true, timeout: releaseTimeout, probe: probe,
	}
}

// logLicence logs what happened to a licence of a type.
func (a *App) logLicence(dryRun bool, licenceType string, e licence.Entry) {
	level, text := zapcore.InfoLevel, "an access licence is "+string(e.Action)
	switch {
	case e.Action == licence.ActionFailed:
		level, text = zapcore.ErrorLevel, "an access licence could not be released"
	case dryRun && e.Action == licence.ActionPlanned:
		text = "dry run: an access licence would be released"
	}
	a.log.Log(level, text, zap.String("license_type", licenceType), zap.String("license_id", e.ID), zap.String("user", e.User),
		zap.Int("days_since_last_use", e.DaysUnused), zap.Bool("never_used", e.NeverUsed), logx.Reason(e.Reason))
}

// releasedAlerts returns a measurement for each licence that was released.
func releasedAlerts(r licence.Report) []messages.Alert {
	var out []messages.Alert
	for _, t := range r.Types {
		for _, e := range t.Entries {
			if e.Action == licence.ActionReleased {
				out = append(out, messages.Alert{Kind: messages.LicenseReleased, Points: licence.Released(t.Type, e)})
			}
		}
	}
	return out
}

// firstSeenTimes stores when a licence that was never used was seen first, for
// licences of which the repository does not know when they were allocated.
type firstSeenTimes struct{ ledger *journal.Ledger }

// bucketFirstSeen holds these times, by the ID of the licence.
const bucketFirstSeen journal.Bucket = "license_first_seen"

// of returns the stored time for a licence, or stores now and returns it.
func (f firstSeenTimes) of(now time.Time, id string) time.Time {
	raw, known, err := f.ledger.Get(bucketFirstSeen, id)
	if at, bad := time.Parse(time.RFC3339, string(raw)); known && err == nil && bad == nil {
		return at
	}
	// Nothing waits for the commit: a licence whose time is lost is only kept longer.
	f.ledger.Commit([]journal.Op{{Bucket: bucketFirstSeen, Key: id, Value: []byte(now.UTC().Format(time.RFC3339))}}, func(error) {})
	return now
}

// forget deletes the time of a licence that has been released.
func (f firstSeenTimes) forget(id string) {
	f.ledger.Commit([]journal.Op{{Bucket: bucketFirstSeen, Key: id}}, func(error) {})
}

// releaseReports writes reports of runs to a directory.
type releaseReports struct{ directory string }

const (
	reportPrefix = "license-release-"
	// maxReports is how many reports are kept.
	maxReports = 400
)

// write writes the report of a run, or replaces it atomically, and removes the oldest
// reports.
func (d releaseReports) write(r licence.Report) error {
	if err := os.MkdirAll(d.directory, 0o750); err != nil {
		return fmt.Errorf("create the directory of the reports: %w", err)
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	name := filepath.Join(d.directory, reportPrefix+r.Began.Format("20060102T150405Z")+".json")
	before, err := os.Stat(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	replaced, err := wholefile.Replace(name, before, append(text, '\n'), 0o640)
	if err == nil && !replaced {
		err = fmt.Errorf("another process has changed %s at the same time", name)
	}
	if err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(d.directory, reportPrefix+"*.json"))
	if err != nil {
		return nil //nolint:nilerr // the report is written; the others stay a little longer
	}
	slices.Sort(old)
	for _, name := range old[:max(len(old)-maxReports, 0)] {
		_ = os.Remove(name) // tried again with the next report
	}
	return nil
}
