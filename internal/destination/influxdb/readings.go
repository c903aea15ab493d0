package influxdb

import (
	"errors"
	"math"
	"slices"

	"butler/internal/destination"
	"butler/messages"
)

// readings are the settings for readings other than task events. They are part of the
// sections of the monitors.
type readings struct {
	services, usage                                 Switch
	version, serverLicense, accessLicenses, release monitorSettings
	queue                                           queueSettings
}

// monitorSettings is the part of a monitor's section for InfluxDB.
type monitorSettings struct {
	Enable bool
	Tag    struct{ Static []StaticTag }
}

// queueSettings is the part of the UDP server's section for InfluxDB.
type queueSettings struct {
	Enable          bool
	MeasurementName string
	Tags            []StaticTag
}

// readSwitches decodes the settings of readings into c.
func readSwitches(read destination.Decode, c *Config) error {
	return errors.Join(
		read("serviceMonitor.alertDestination.influxDb", &c.readings.services),
		read("uptimeMonitor.storeInInfluxdb", &c.readings.usage),
		read("qlikSenseVersion.versionMonitor.destination.influxDb", &c.readings.version),
		read("qlikSenseLicense.serverLicenseMonitor.destination.influxDb", &c.readings.serverLicense),
		read("qlikSenseLicense.licenseMonitor.destination.influxDb", &c.readings.accessLicenses),
		read("qlikSenseLicense.licenseRelease.destination.influxDb", &c.readings.release),
		read("udpServerConfig.queueMetrics.influxdb", &c.readings.queue),
	)
}

// queueSection is the section in which the operator also names the measurement.
const queueSection = "udpServerConfig.queueMetrics.influxdb"

// reading is the measurement of one kind of reading.
type reading struct {
	kind        messages.AlertKind
	measurement string
	// path is the section that enables it, on whether it does.
	path string
	on   bool
	// own are the operator's tags for this measurement.
	own []StaticTag
	// builtInLast means that the operator's tags do not replace those of the measurement.
	builtInLast bool
}

// readingsOf returns all readings, in the order of the documentation.
func readingsOf(c Config) []reading {
	r := c.readings
	return []reading{
		{messages.ServiceStatus, "win_service_state", "serviceMonitor.alertDestination.influxDb", r.services.Enable, nil, true},
		{messages.ProcessUsage, "butler_memory_usage", "uptimeMonitor.storeInInfluxdb", r.usage.Enable, nil, true},
		{messages.SenseVersion, "qlik_sense_version", "qlikSenseVersion.versionMonitor.destination.influxDb", r.version.Enable, r.version.Tag.Static, false},
		{messages.LicenseStatus, "qlik_sense_server_license", "qlikSenseLicense.serverLicenseMonitor.destination.influxDb", r.serverLicense.Enable, r.serverLicense.Tag.Static, false},
		{messages.AccessLicenseStatus, "qlik_sense_license", "qlikSenseLicense.licenseMonitor.destination.influxDb", r.accessLicenses.Enable, r.accessLicenses.Tag.Static, true},
		{messages.LicenseReleased, "qlik_sense_license_release", "qlikSenseLicense.licenseRelease.destination.influxDb", r.release.Enable, r.release.Tag.Static, false},
		{messages.UDPQueue, r.queue.MeasurementName, queueSection, r.queue.Enable, r.queue.Tags, false},
	}
}

// readingUses lists the enabled readings.
func readingUses(c Config) []destination.Use[Measurement] {
	var out []destination.Use[Measurement]
	for _, r := range readingsOf(c) {
		if r.on && c.Enable {
			out = append(out, destination.Use[Measurement]{Name: string(r.kind), Path: r.path, Kinds: []messages.AlertKind{r.kind}})
		}
	}
	return out
}

// readingOf returns the reading that a use stores, and false for a use of task events.
func readingOf(c Config, u destination.Use[Measurement]) (reading, bool) {
	all := readingsOf(c)
	if i := slices.IndexFunc(all, func(r reading) bool { return slices.Equal(u.Kinds, []messages.AlertKind{r.kind}) }); i >= 0 {
		return all[i], true
	}
	return reading{}, false
}

// appendLines appends one line for each row of a reading.
func (r reading) appendLines(dst []byte, room *point, global []StaticTag, a *messages.Alert) []byte {
	rows := a.Points
	switch r.kind {
	case messages.ServiceStatus:
		rows = []messages.Point{serviceRow(a.Service)}
	case messages.LicenseStatus:
		rows = []messages.Point{licenseRow(a.License)}
	case messages.ProcessUsage:
		rows = []messages.Point{usageRow(a.Usage)}
	default: // the alert already has the points
	}
	for _, row := range rows {
		room.reset()
		r.fill(room, global, a, row)
		dst = room.appendLine(dst)
	}
	return dst
}

// fill sets the content of an empty point from a row.
func (r reading) fill(p *point, global []StaticTag, a *messages.Alert, row messages.Point) {
	p.measurement, p.at = r.measurement, timestamp(a.DecidedAt, string(a.ID))
	addStatic(p, global)
	addTags(p, row.Tags)
	addStatic(p, r.own)
	if r.builtInLast {
		addTags(p, row.Tags)
	}
	if a.Test { // so that charts can exclude it
		p.tag("test", "true")
	}
	for _, f := range row.Fields {
		switch f.Type {
		case messages.NumberField:
			p.number(f.Name, f.Number)
		case messages.TextField:
			p.text(f.Name, f.Text)
		case messages.TruthField:
			p.truth(f.Name, f.Truth)
		}
	}
}

func addTags(p *point, tags []messages.Property) {
	for _, t := range tags {
		p.tag(t.Name, t.Value)
	}
}

// stateNumbers and startNumbers map the states and start types of the service control
// manager to numbers. Any other text is -1.
var (
	stateNumbers = map[string]float64{
		"STOPPED": 1, "START_PENDING": 2, "STOP_PENDING": 3, "RUNNING": 4, "CONTINUE_PENDING": 5, "PAUSE_PENDING": 6, "PAUSED": 7,
	}
	startNumbers = map[string]float64{"Automatic": 0, "Automatic (delayed start)": 1, "Manual": 2, "Disabled": 3}
)

func numberOf(numbers map[string]float64, text string) float64 {
	if n, known := numbers[text]; known {
		return n
	}
	return -1
}

func serviceRow(s messages.Service) messages.Point {
	return messages.Point{}.
		Tag("host", s.Host).Tag("service_name", s.Name).Tag("display_name", s.DisplayName).Tag("friendly_name", s.FriendlyName).
		Number("state_num", numberOf(stateNumbers, s.Status)).Text("state_text", s.Status).
		Number("startup_mode_num", numberOf(startNumbers, s.StartType)).Text("startup_mode_text", s.StartType)
}

func usageRow(u messages.Usage) messages.Point {
	row := messages.Point{}.Tag("version", u.Version).
		Number("heap_used", mebibytes(u.HeapUsed)).Number("heap_total", mebibytes(u.HeapTotal)).Number("external", mebibytes(u.External))
	if u.Process > 0 {
		row = row.Number("process_memory", mebibytes(u.Process))
	}
	return row
}

// mebibytes converts to MiB, rounded to two decimals as in existing databases.
func mebibytes(bytes int64) float64 { return math.Round(float64(bytes)/(1<<20)*100) / 100 }

func licenseRow(l messages.License) messages.Point {
	row := messages.Point{}.Truth("license_expired", l.Expired).Text("expiry_date", l.ExpiryDate)
	if l.DaysKnown {
		row = row.Number("days_until_expiry", float64(l.DaysLeft))
	}
	return row
}
