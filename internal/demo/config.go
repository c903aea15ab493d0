// Package demo owns the demo: a service with a simulated Qlik Sense site and the
// systems it alerts, in one process on loopback.
//
// It guarantees that nothing leaves the machine, that nothing is left behind, and that
// it shows the service as it is, through its public interfaces: a configuration file,
// UDP, HTTP and SMTP. It must never use internals of the service for what it shows.
package demo

import (
	"bytes"
	_ "embed"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"text/template"

	"butler/internal/sim"
)

//go:embed butler.yaml.tmpl
var configText string

// Settings are the variable parts of a configuration for a simulated site.
type Settings struct {
	// Directory holds the configuration, the journal and script logs.
	Directory string
	// RateLimit is the suppression window of every destination, in seconds; 0 means none.
	RateLimit int
	// InMemory keeps the journal in memory.
	InMemory bool
	// DegradedAfter and PollEvery replace the defaults when set, such as "2s".
	DegradedAfter, PollEvery string
	// OperationsPort and UDPPort may be 0 for any free port.
	OperationsPort, UDPPort int
	// LogLevel is "info" when empty.
	LogLevel string
	// Off names the Destinations to switch off, With those of Further to switch on.
	Off, With []string
	// Extra is appended verbatim, below Butler.
	Extra string
}

// The destinations of a simulated site: those that are on by default, and the others.
var (
	Destinations = []string{"email", "slack", "webhook", "influxdb", "disklog"}
	Further      = []string{"teams", "signl4", "newrelic", "url"}
)

// WriteConfig writes a configuration file that points a service at every part
// of a started simulation, and returns its path.
func WriteConfig(s *sim.Sim, o Settings) (string, error) {
	text, err := configFor(s, o)
	if err != nil {
		return "", err
	}
	path := filepath.Join(o.Directory, "butler.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return "", fmt.Errorf("write the configuration: %w", err)
	}
	return path, nil
}

func configFor(s *sim.Sim, o Settings) ([]byte, error) {
	if o.LogLevel == "" {
		o.LogLevel = "info"
	}
	on := map[string]bool{}
	for _, name := range slices.Concat(Destinations, Further) {
		on[name] = slices.Contains(Destinations, name) && !slices.Contains(o.Off, name) || slices.Contains(o.With, name)
	}
	parsed, err := template.New("butler.yaml").Funcs(template.FuncMap{"host": hostOf, "port": portOf}).Parse(configText)
	if err != nil {
		return nil, fmt.Errorf("read the template of the configuration: %w", err)
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, map[string]any{
		"o": o, "on": on, "cert": s.Certificates(), "qrs": s.QRS.Addr(), "engine": s.Engine.Addr(), "http": s.HTTP.URL(),
		"smtp": s.SMTP.Addr(), "influx": s.Influx.Addr(),
	})
	if err != nil {
		return nil, fmt.Errorf("fill in the configuration: %w", err)
	}
	return out.Bytes(), nil
}

func hostOf(address string) (string, error) {
	host, _, err := net.SplitHostPort(address)
	return host, err
}

func portOf(address string) (string, error) {
	_, port, err := net.SplitHostPort(address)
	return port, err
}
