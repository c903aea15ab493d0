package influxdb

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"time"

	"butler/internal/destination"
	"butler/internal/secret"
	"butler/messages"
)

// Config is the section influxDb, and the related sections of the monitors. The flat form
// of v1Config is an alias that package config resolves.
type Config struct {
	Enable   bool
	HostIP   string
	HostPort int
	// Version is the major version of the server: 1, 2 or 3.
	Version  int
	V1Config V1Config
	V2Config V2Config
	V3Config V3Config
	Tag      Tags

	ReloadTaskFailure          Measurement
	ReloadTaskSuccess          Measurement
	ExternalProgramTaskFailure Measurement
	ExternalProgramTaskSuccess Measurement
	UserSyncTaskFailure        Measurement
	UserSyncTaskSuccess        Measurement
	DistributeTaskFailure      Measurement
	DistributeTaskSuccess      Measurement
	PreloadTaskFailure         Measurement
	PreloadTaskSuccess         Measurement

	readings readings
}

// V1Config are the settings of a server of version 1.
type V1Config struct {
	Auth            Auth
	DBName          string
	RetentionPolicy RetentionPolicy
}

// Auth is the credentials of version 1. They are sent only if Enable is set.
type Auth struct {
	Enable   bool
	Username string
	Password secret.String
}

// RetentionPolicy is the policy that is created with a new database. Duration is an
// InfluxQL duration, such as 10d or INF.
type RetentionPolicy struct {
	Name     string
	Duration string
}

// V2Config are the settings of a server of version 2. The bucket must exist.
type V2Config struct {
	Org, Bucket string
	Token       secret.String
}

// V3Config are the settings of a server of version 3. The database must exist.
type V3Config struct {
	Database string
	Token    secret.String
	// WriteTimeout is in milliseconds.
	WriteTimeout int
}

// Measurement configures the storage of one kind of event. Only successful reloads use
// AllReloadTasks and ByCustomProperty, only reloads the numbers of script log lines.
type Measurement struct {
	Enable             bool
	AllReloadTasks     Switch
	ByCustomProperty   ByCustomProperty
	HeadScriptLogLines int
	TailScriptLogLines int
	Tag                Tags
}

// Switch is a section whose only value is enable.
type Switch struct{ Enable bool }

// ByCustomProperty restricts storage to the events of tasks that have a custom property value.
type ByCustomProperty struct {
	Enable             bool
	CustomPropertyName string
	EnabledValue       string
}

// Tags are the tags of a measurement in addition to the built-in ones.
type Tags struct {
	Static  []StaticTag
	Dynamic Dynamic
}

// StaticTag is a fixed tag.
type StaticTag struct{ Name, Value string }

// Dynamic enables tags that are named after the Qlik Sense tags of the task and the app.
type Dynamic struct{ UseAppTags, UseTaskTags bool }

// rule describes the measurement of one alert kind.
type rule struct {
	kind        messages.AlertKind
	measurement string
	// section returns the key and the settings below influxDb; nil for kinds that only
	// routes can store.
	section func(Config) (string, Measurement)
	// scriptLog includes the script log and the app's tags, app its ID and name, and
	// execution the execution result.
	scriptLog, app, execution bool
	// final requires the final execution result. It is set for the successes of reloads,
	// external programs and user syncs.
	final bool
}

// rules are the measurements of task events, in the order of the documentation.
var rules = []rule{
	{messages.ReloadTaskFailed, "reload_task_failed", func(c Config) (string, Measurement) { return "reloadTaskFailure", c.ReloadTaskFailure }, true, true, true, false},
	{messages.ReloadTaskAborted, "reload_task_aborted", nil, true, true, true, false},
	{messages.ReloadTaskSucceeded, "reload_task_success", func(c Config) (string, Measurement) { return "reloadTaskSuccess", c.ReloadTaskSuccess }, true, true, true, true},
	{messages.ExternalProgramTaskFailed, "external_program_task_failed", func(c Config) (string, Measurement) {
		return "externalProgramTaskFailure", c.ExternalProgramTaskFailure
	}, false, false, true, false},
	{messages.ExternalProgramTaskSucceeded, "external_program_task_success", func(c Config) (string, Measurement) {
		return "externalProgramTaskSuccess", c.ExternalProgramTaskSuccess
	}, false, false, true, true},
	{messages.UserSyncTaskFailed, "user_sync_task_failed", func(c Config) (string, Measurement) { return "userSyncTaskFailure", c.UserSyncTaskFailure }, false, false, false, false},
	{messages.UserSyncTaskSucceeded, "user_sync_task_success", func(c Config) (string, Measurement) { return "userSyncTaskSuccess", c.UserSyncTaskSuccess }, false, false, true, true},
	{messages.DistributeTaskFailed, "distribute_task_failed", func(c Config) (string, Measurement) { return "distributeTaskFailure", c.DistributeTaskFailure }, false, true, true, false},
	{messages.DistributeTaskSucceeded, "distribute_task_success", func(c Config) (string, Measurement) { return "distributeTaskSuccess", c.DistributeTaskSuccess }, false, true, true, false},
	{messages.PreloadTaskFailed, "preload_task_failed", func(c Config) (string, Measurement) { return "preloadTaskFailure", c.PreloadTaskFailure }, false, true, true, false},
	{messages.PreloadTaskSucceeded, "preload_task_success", func(c Config) (string, Measurement) { return "preloadTaskSuccess", c.PreloadTaskSuccess }, false, true, true, false},
}

// uses lists the enabled measurements.
func uses(c Config) []destination.Use[Measurement] {
	var out []destination.Use[Measurement]
	for _, r := range rules {
		if r.section == nil || !c.Enable {
			continue
		}
		key, m := r.section(c)
		neither := r.kind == messages.ReloadTaskSucceeded && !m.AllReloadTasks.Enable && !m.ByCustomProperty.Enable
		if m.Enable && !neither {
			out = append(out, destination.Use[Measurement]{
				Name: string(r.kind), Path: "influxDb." + key, Kinds: []messages.AlertKind{r.kind}, Settings: m,
			})
		}
	}
	return append(out, readingUses(c)...)
}

// byMeasurement splits a use into one per measurement, so that each has its own queue.
// Event kinds without a measurement are dropped.
func byMeasurement(c Config, u destination.Use[Measurement]) []destination.Use[Measurement] {
	if _, ok := readingOf(c, u); ok {
		return []destination.Use[Measurement]{u}
	}
	var out []destination.Use[Measurement]
	for _, r := range rulesOf(u.Kinds) {
		one := u
		one.Kinds = []messages.AlertKind{r.kind}
		if len(u.Kinds) > 1 {
			one.Name += "/" + string(r.kind)
		}
		out = append(out, one)
	}
	return out
}

// filtered reports whether only the events of tasks with a custom property value are stored.
func (m Measurement) filtered() bool { return m.ByCustomProperty.Enable && !m.AllReloadTasks.Enable }

// rulesOf returns the rules of kinds, in the order of rules.
func rulesOf(kinds []messages.AlertKind) []rule {
	var out []rule
	for _, r := range rules {
		if slices.Contains(kinds, r.kind) {
			out = append(out, r)
		}
	}
	return out
}

// address returns the URL of the server, without a slash at the end.
func (c Config) address() string {
	return "http://" + net.JoinHostPort(c.HostIP, strconv.Itoa(c.HostPort))
}

// timeout returns the limit for the duration of one request.
func (c Config) timeout() time.Duration {
	switch c.Version {
	case 1:
		return 30 * time.Second
	case 3:
		return destination.Seconds(float64(c.V3Config.WriteTimeout) / 1000)
	}
	return 10 * time.Second
}

// influxQLDuration matches a duration that can be used unquoted in a statement.
var influxQLDuration = regexp.MustCompile(`^((\d+(ns|u|µ|ms|s|m|h|d|w))+|(?i:INF))$`)

// check lists the settings with which every write would fail.
func check(c Config, _ destination.Deps) destination.Problems {
	var p destination.Problems
	need := func(key, value string) {
		if value == "" {
			p.Wrong(key, fmt.Sprintf("is missing for InfluxDB version %d", c.Version), "set it, or set influxDb.enable to false")
		}
	}
	switch c.Version {
	case 1:
		need("v1Config.dbName", c.V1Config.DBName)
		need("v1Config.retentionPolicy.name", c.V1Config.RetentionPolicy.Name)
		if !influxQLDuration.MatchString(c.V1Config.RetentionPolicy.Duration) {
			p.Wrong("v1Config.retentionPolicy.duration", "is not an InfluxQL duration", "write it like 10d, 36h or INF")
		}
		if c.V1Config.Auth.Enable {
			need("v1Config.auth.username", c.V1Config.Auth.Username)
			need("v1Config.auth.password", c.V1Config.Auth.Password.Reveal())
		}
	case 2:
		need("v2Config.org", c.V2Config.Org)
		need("v2Config.bucket", c.V2Config.Bucket)
		need("v2Config.token", c.V2Config.Token.Reveal())
	case 3:
		need("v3Config.database", c.V3Config.Database)
		need("v3Config.token", c.V3Config.Token.Reveal())
	}
	p = p.Below("influxDb")
	if q := c.readings.queue; q.Enable && q.MeasurementName == "" {
		p.Wrong(queueSection+".measurementName", "is empty", "name the measurement, such as butler_udp_queue")
	}
	return p
}
