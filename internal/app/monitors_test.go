package app_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/app"
	"butler/internal/demo"
	"butler/internal/licence"
	"butler/internal/sim/sink"
	"butler/internal/sim/world"
)

// measured waits for a point of a measurement.
func (s *site) measured(measurement string) sink.Point {
	s.t.Helper()
	var found sink.Point
	s.until("a point of "+measurement, func() bool {
		for _, p := range s.sim.Influx.Stored("butler") {
			if p.Measurement == measurement {
				found = p
				return true
			}
		}
		return false
	})
	return found
}

// probed waits until a monitor has succeeded.
func (s *site) probed(monitor string) {
	s.t.Helper()
	s.until("the monitor "+monitor+" up", func() bool { state, _ := s.component("probe/" + monitor); return state == "up" })
}

func TestMonitor_serverLicenceGoesToEveryDestination(t *testing.T) {
	s := siteOf(t)
	s.sim.World.SetLicenceEnd(time.Now().UTC().AddDate(0, 0, 10).Truncate(24 * time.Hour))
	s.startApp(demo.Settings{InMemory: true, Extra: brokerConfig(t, s) + `
  qlikSenseLicense:
    serverLicenseMonitor:
      enable: true
      alert: {thresholdDays: 60}
      destination:
        influxDb: {enable: true, tag: {static: [{name: env, value: test}]}}
        mqtt: {enable: true, sendRecurring: {enable: true}, sendAlert: {enable: true}}
        webhook: {enable: true, sendRecurring: {enable: true}, sendAlert: {enable: true}}`})
	p := s.measured("qlik_sense_server_license")
	if p.Fields["days_until_expiry"] != 10.0 || p.Fields["license_expired"] != false || p.Tags["env"] != "test" {
		t.Errorf("want ten days left, got %+v", p)
	}
	var status struct {
		LicenseExpired  bool
		ExpiryDateStr   string
		DaysUntilExpiry int
	}
	must(t, json.Unmarshal(s.published("qliksense/qliksense_server_license", "licenseExpired").Payload, &status))
	if status.LicenseExpired || status.DaysUntilExpiry != 10 {
		t.Errorf("the state over MQTT is %+v", status)
	}
	s.published("qliksense/qliksense_server_license_expire", "is about to expire in 10 days")
	s.until("both webhooks called", func() bool {
		calls := map[string]string{}
		for _, r := range s.sim.HTTP.History().All() {
			calls[r.Path] = string(r.Body)
		}
		return strings.Contains(calls["/hook/license/status"], "server license status") && strings.Contains(calls["/hook/license/alert"], "about to expire alert")
	})
	s.probed("server_license")
}

func TestMonitor_accessLicencesAreStoredByType(t *testing.T) {
	s := siteOf(t)
	s.startApp(demo.Settings{InMemory: true, Extra: `
  qlikSenseLicense: {licenseMonitor: {enable: true, destination: {influxDb: {enable: true}}}}`})
	p := s.measured("qlik_sense_license")
	overview := s.sim.World.Overview()
	want := map[string]world.LicencePool{"professional": overview.ProfessionalAccess, "analyzer": overview.AnalyzerAccess}[p.Tags["license_type"]]
	if p.Fields["allocated"] != float64(want.Allocated) || p.Fields["total"] != float64(want.Total) || want.Total == 0 {
		t.Errorf("want %+v, got %+v", want, p)
	}
	s.probed("access_license")
}

func TestMonitor_versionIsReadFromItsOwnPort(t *testing.T) {
	s := siteOf(t)
	host, port, err := net.SplitHostPort(s.sim.SystemInfo.Addr())
	must(t, err)
	s.startApp(demo.Settings{InMemory: true, Extra: fmt.Sprintf(`
  qlikSenseVersion: {versionMonitor: {enable: true, host: %s, port: %s, rejectUnauthorized: true, destination: {influxDb: {enable: true}}}}`, host, port)})
	if p := s.measured("qlik_sense_version"); p.Fields["version"] != "14.250.1" || p.Fields["release_label"] != "May 2026" {
		t.Errorf("got %+v", p)
	}
	s.probed("sense_version")
}

// reports reads the reports of the release of licences.
func (s *site) reports(dir string) []licence.Report {
	s.t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "license-release-*.json"))
	must(s.t, err)
	var out []licence.Report
	for _, name := range names {
		text, err := os.ReadFile(name)
		must(s.t, err)
		var r licence.Report
		must(s.t, json.Unmarshal(text, &r))
		out = append(out, r)
	}
	return out
}

func TestMonitor_releasesOnlyWhatItIsToldTo(t *testing.T) {
	for _, row := range []struct {
		name, settings string
		released       int
	}{
		{"by default nothing", "", 0},
		{"as many as a run may", "dryRun: false, maxPerRun: 2, ", 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, dir := siteOf(t), t.TempDir()
			count := func() int {
				n := 0
				for _, kind := range []world.LicenceKind{world.Professional, world.Analyzer} {
					for range s.sim.World.AccessTypes(kind) {
						n++
					}
				}
				return n
			}
			before := count()
			s.startApp(demo.Settings{InMemory: true, Extra: fmt.Sprintf(`
  qlikSenseLicense:
    licenseRelease: {enable: true, %sreportDirectory: %q, licenseType: {analyzer: {enable: true}, professional: {enable: true}}, destination: {influxDb: {enable: true}}}`, row.settings, dir)})
			s.probed("license_release")
			if got := before - count(); got != row.released {
				t.Errorf("want %d licences released, got %d", row.released, got)
			}
			reports := s.reports(dir)
			if len(reports) != 1 {
				t.Fatalf("want one report, got %+v", reports)
			}
			r := reports[0]
			if r.Count(licence.ActionReleased) != row.released || r.DryRun != (row.released == 0) || r.Count(licence.ActionPlanned)+r.Count(licence.ActionLater) == 0 {
				t.Errorf("want %d released and others told, got %+v", row.released, r)
			}
			if row.released > 0 && s.measured("qlik_sense_license_release").Fields["days_since_last_use"].(float64) < 30 {
				t.Error("want only licences released that nobody used for 30 days")
			}
		})
	}
}

func TestMonitors_haveTimesThatAreUnderstoodAndSomebodyToAsk(t *testing.T) {
	for name, row := range map[string]struct {
		text     string
		isolated bool
		want     []string
	}{
		"good times":      {"qlikSenseLicense: {licenseMonitor: {enable: true, frequency: every 6 hours}}\n  configQRS: {host: sense, useSSL: false}", false, nil},
		"no repository":   {"qlikSenseLicense: {licenseMonitor: {enable: true}}", false, []string{"qlikSenseLicense.licenseMonitor.enable"}},
		"isolated":        {"qlikSenseLicense: {licenseMonitor: {enable: true}}", true, nil},
		"a time in doubt": {"qlikSenseLicense: {serverLicenseMonitor: {enable: true, frequency: at 15 minutes past every hour}}", true, []string{"qlikSenseLicense.serverLicenseMonitor.frequency"}},
		"switched off":    {"qlikSenseLicense: {serverLicenseMonitor: {frequency: hourly}}", false, nil},
		"two at once": {
			"qlikSenseVersion: {versionMonitor: {enable: true, host: h, frequency: now and then}}\n  qlikSenseLicense: {licenseRelease: {enable: true, frequency: '', licenseType: {analyzer: {enable: true}}}}", true,
			[]string{"qlikSenseVersion.versionMonitor.frequency", "qlikSenseLicense.licenseRelease.frequency"},
		},
		"nothing to release": {"qlikSenseLicense: {licenseRelease: {enable: true, frequency: never}}", false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := inspect(t, "Butler:\n  "+row.text+"\n", app.Inspection{Isolated: row.isolated}, true)
			must(t, err)
			var got []string
			for _, p := range cfg.Ignored() {
				got = append(got, p.Path)
			}
			slices.Sort(got)
			slices.Sort(row.want)
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}
