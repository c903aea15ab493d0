package config

import (
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"

	"butler/internal/fspath"
)

// Config is a loaded configuration. It is complete, checked and never changes;
// it is safe for concurrent use.
type Config struct {
	file     string
	baseDir  string
	root     *node
	merged   *viper.Viper
	sources  map[string]Source
	seen     *observed
	ignored  []Problem
	warnings []Problem
	files    []string
	core     core
}

// newConfig decodes what was merged.
func newConfig(l *loader, merged *viper.Viper) (*Config, error) {
	c := &Config{
		file: l.options.Path, baseDir: l.baseDir, root: l.root, merged: merged,
		sources: l.sources, seen: l.seen, files: l.problems.Files,
	}
	if err := merged.Unmarshal(&c.core, strictDecoding); err != nil {
		return nil, fmt.Errorf("decode the configuration: %w", err)
	}
	return c, nil
}

// strictDecoding decodes without converting between numbers, text and booleans.
func strictDecoding(d *mapstructure.DecoderConfig) {
	d.WeaklyTypedInput = false
	d.DecodeHook = mapstructure.ComposeDecodeHookFunc(
		refuseLossy, mapstructure.StringToTimeDurationHookFunc(), mapstructure.TextUnmarshallerHookFunc())
}

// refuseLossy is a decode hook that refuses the two conversions that would change a
// number silently: a plain number to nanoseconds, and a fraction to a whole number.
func refuseLossy(from, to reflect.Type, value any) (any, error) {
	if to == reflect.TypeFor[time.Duration]() && from.Kind() != reflect.String && from != to {
		return nil, fmt.Errorf("a number without a unit is not a duration")
	}
	if f, ok := value.(float64); ok && to.Kind() >= reflect.Int && to.Kind() <= reflect.Uint64 && f != math.Trunc(f) {
		return nil, fmt.Errorf("%v is not a whole number", f)
	}
	return value, nil
}

// Section decodes the section at a path, such as "slackNotification", into a struct,
// a list into a slice, or a single key into a variable. Fields match keys in any
// letter case. Text keys decode into string or secret.String, duration keys into
// time.Duration. Keys without a field are skipped, and every key with a default has a
// value. A path such as "routes[].slack" selects that key in every item of a list,
// and decodes into a slice with one element per item.
func (c *Config) Section(path string, into any) error {
	if list, key, inItems := strings.Cut(path, "[]."); inItems {
		return c.column(list, key, into)
	}
	n := c.root.find(path)
	if n == nil {
		return fmt.Errorf("no key of the configuration is called %s", path)
	}
	if err := c.merged.UnmarshalKey(path, into, strictDecoding); err != nil {
		return fmt.Errorf("decode section %s: %w", path, err)
	}
	return nil
}

// column decodes one key of every item of a list.
func (c *Config) column(list, key string, into any) error {
	n := c.root.find(list)
	if n == nil || n.item == nil || n.item.child(key) == nil {
		return fmt.Errorf("no list of the configuration is called %s[].%s", list, key)
	}
	items, _ := c.merged.Get(list).([]any)
	column := make([]any, 0, len(items))
	for _, item := range items {
		values, _ := item.(map[string]any)
		column = append(column, values[strings.ToLower(key)])
	}
	settings := &mapstructure.DecoderConfig{Result: into}
	strictDecoding(settings)
	decoder, err := mapstructure.NewDecoder(settings)
	if err == nil {
		err = decoder.Decode(column)
	}
	if err != nil {
		return fmt.Errorf("decode %s[].%s: %w", list, key, err)
	}
	return nil
}

// Ignored lists the problems in spite of which a lenient Load has succeeded.
func (c *Config) Ignored() []Problem { return slices.Clone(c.ignored) }

// Warnings lists what the inspection found that the service can run with, sorted by place.
func (c *Config) Warnings() []Problem { return slices.Clone(c.warnings) }

// File returns the path of the configuration file as it was given, "" without one.
func (c *Config) File() string { return c.file }

// AbsoluteFile returns the absolute path of the configuration file, "" without one.
func (c *Config) AbsoluteFile() string {
	if c.file == "" {
		return ""
	}
	return filepath.Join(c.baseDir, filepath.Base(c.file))
}

// BaseDir returns the absolute directory that relative paths start from: that of
// the configuration file, or the working directory without one.
func (c *Config) BaseDir() string { return c.baseDir }

// Path makes a path of the configuration absolute. An empty path stays empty.
func (c *Config) Path(p string) string { return fspath.Absolute(c.baseDir, p) }

// Source returns where the value of the key at a path came from.
func (c *Config) Source(path string) Source {
	if n := c.root.find(path); n != nil {
		return c.sources[n.path]
	}
	return Source{}
}

// Below lists the keys below a section, in the order of the schema.
func (c *Config) Below(section string) []string {
	var out []string
	if n := c.root.find(section); n != nil {
		for key := range n.values {
			out = append(out, key.path)
		}
	}
	return out
}

// Log returns the logging section.
func (c *Config) Log() Log {
	l := c.core.Log
	l.Directory = c.Path(l.Directory)
	return l
}

// QRS returns the sections configQRS and cert.
func (c *Config) QRS() QlikServer { return c.server(c.core.ConfigQRS) }

// Engine returns the sections configEngine and cert.
func (c *Config) Engine() Engine {
	e := c.core.ConfigEngine
	return Engine{
		Server: c.server(e.Server), MaxReloads: e.MaxReloads,
		ReloadTimeout: e.ReloadTimeout, DumpTimeout: e.DumpTimeout, MaxDumpBytes: e.MaxDumpBytes,
	}
}

// server adds the certificates, which all servers of Qlik Sense share.
func (c *Config) server(q qlikServer) QlikServer {
	return QlikServer{
		Host: q.Host, Port: q.Port, UseSSL: q.UseSSL, RejectUnauthorized: q.RejectUnauthorized,
		Headers:    slices.Clone(q.Headers.Static),
		ClientCert: c.Path(c.core.Cert.ClientCert),
		ClientKey:  c.Path(c.core.Cert.ClientCertKey),
		CA:         c.Path(c.core.Cert.ClientCertCA),
	}
}

// UDP returns the section udpServerConfig.
func (c *Config) UDP() UDP {
	u := c.core.UDPServerConfig
	u.AllowedSources = slices.Clone(u.AllowedSources)
	return u
}

// Links returns the sections qlikSenseUrls and genericUrls.
func (c *Config) Links() Links {
	l := c.core.QlikSenseURLs
	return Links{QMC: l.QMC, Hub: l.Hub, AppBaseURL: l.AppBaseURL, Generic: slices.Clone(c.core.GenericURLs)}
}

// RESTServer returns the section restServerConfig.
func (c *Config) RESTServer() RESTServer {
	r := c.core.RESTServerConfig
	r.TLS.Cert, r.TLS.Key, r.TLS.CA = c.Path(r.TLS.Cert), c.Path(r.TLS.Key), c.Path(r.TLS.CA)
	r.Auth.KeyFile = c.Path(r.Auth.KeyFile)
	r.AllowedHosts = slices.Clone(r.AllowedHosts)
	r.Auth.Certificates = slices.Clone(r.Auth.Certificates)
	return r
}

// KeysPerNamespace returns how many keys a namespace of the key-value store may hold.
func (c *Config) KeysPerNamespace() int { return c.core.KeyValueStore.MaxKeysPerNamespace }

// Files returns the approved directories.
func (c *Config) Files() Files {
	pairs := func(in []DirectoryPair) []DirectoryPair {
		var out []DirectoryPair
		for _, p := range in {
			out = append(out, DirectoryPair{From: c.Path(p.From), To: c.Path(p.To)})
		}
		return out
	}
	f := Files{
		Copy: pairs(c.core.FileCopyApprovedDirectories), Move: pairs(c.core.FileMoveApprovedDirectories),
		QVD: c.Path(c.core.ConfigDirectories.QVDPath),
	}
	for _, directory := range c.core.FileDeleteApprovedDirectories {
		f.Delete = append(f.Delete, c.Path(directory))
	}
	return f
}

// StartFilter returns the section startTaskFilter.
func (c *Config) StartFilter() StartFilter { return c.core.StartTaskFilter }

// Scheduler returns the section scheduler.
func (c *Config) Scheduler() Scheduler {
	s := c.core.Scheduler
	s.ConfigFile = c.Path(s.ConfigFile)
	return s
}

// ServiceMonitor returns the section serviceMonitor.
func (c *Config) ServiceMonitor() ServiceMonitor { return c.core.ServiceMonitor }

// Journal returns the section journal.
func (c *Config) Journal() Journal {
	j := c.core.Journal
	j.Directory = c.Path(j.Directory)
	return j
}

// Execution returns the section execution.
func (c *Config) Execution() Execution { return c.core.Execution }

// Gate returns the section qrs.
func (c *Config) Gate() Gate { return c.core.QRS }

// Delivery returns the section delivery.
func (c *Config) Delivery() Delivery { return c.core.Delivery }

// Operations returns the section operations.
func (c *Config) Operations() Operations { return c.core.Operations }

// Page returns the section configVisualisation.
func (c *Config) Page() Page { return c.core.ConfigVisualisation }

// HealthCheck returns the section dockerHealthCheck.
func (c *Config) HealthCheck() HealthCheck { return c.core.DockerHealthCheck }

// Heartbeat returns the section heartbeat.
func (c *Config) Heartbeat() Heartbeat { return c.core.Heartbeat }

// UptimeMonitor returns the section uptimeMonitor.
func (c *Config) UptimeMonitor() UptimeMonitor { return c.core.UptimeMonitor }

// SystemInfo reports whether facts about the host are to be logged.
func (c *Config) SystemInfo() bool { return c.core.SystemInfo.Enable }

// Assumed describes the defaults that apply because there is no file; nil with one.
func (c *Config) Assumed() []string {
	if c.file != "" {
		return nil
	}
	udp := c.UDP()
	lines := []string{"no configuration file: the built-in defaults apply"}
	if c.Source("udpServerConfig.serverHost").Kind == FromDefault && udp.Enable {
		lines = append(lines, fmt.Sprintf("task events are received on %s, port %d, from this machine only", udp.Host, udp.Port))
	}
	if c.Source("journal.directory").Kind == FromDefault && !c.core.Journal.InMemory {
		lines = append(lines, "the journal is kept in "+c.Journal().Directory)
	}
	if ops := c.Operations(); ops.Enable && c.Source("operations.host").Kind == FromDefault {
		lines = append(lines, fmt.Sprintf("metrics and health are served on %s, port %d", ops.Host, ops.Port))
	}
	return lines
}

// Notes describes what an operator may not expect of this configuration, such as
// values without effect. It holds no secret.
func (c *Config) Notes() []string {
	var lines []string
	if !c.core.UDPServerConfig.Enable {
		lines = append(lines, "udpServerConfig.enable is false: no task events are received")
	}
	if udp := c.core.UDPServerConfig; udp.Enable && !udp.Deduplication.Enable {
		lines = append(lines, "udpServerConfig.deduplication.enable is false: an event that arrives twice is handled twice")
	}
	if !c.QRS().Enabled() {
		lines = append(lines, "configQRS.host is not set: alerts hold only what the event says")
	}
	if c.merged.GetBool("anonTelemetry") {
		lines = append(lines, "anonTelemetry is ignored: nothing is reported to third parties")
	}
	if c.merged.GetBool("restServerApiDocGenerate") {
		lines = append(lines, "restServerApiDocGenerate is ignored: the REST API describes itself at /documentation")
	}
	if samples := c.samplesInUse(); len(samples) > 0 {
		lines = append(lines, "sample values of the template are treated as not set: "+strings.Join(samples, ", "))
	}
	return lines
}

// samplesInUse lists the sample values in features that are switched on, except
// those that the environment or the command line replaces.
func (c *Config) samplesInUse() []string {
	var out []string
	for _, path := range c.seen.samples {
		key, _, _ := strings.Cut(path, "[")
		n := c.root.find(key)
		off := func(s *node) bool { return !c.merged.GetBool(s.path) }
		if n == nil || slices.ContainsFunc(n.switches(), off) {
			continue
		}
		if strings.Contains(path, "].") {
			key = path // the rest of the item may be in use
		} else if slices.Contains(out, key) {
			continue
		}
		if c.sources[n.path].Kind <= FromFile {
			out = append(out, key)
		}
	}
	return out
}
