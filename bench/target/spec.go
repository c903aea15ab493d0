package target

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"go.yaml.in/yaml/v3"
)

// Spec describes a program as data. Command, Ready, Metrics and REST may hold
// the placeholders {config}, {dir}, {udpPort}, {operationsPort} and {restPort}.
type Spec struct {
	// Name is what reports call the program.
	Name string `yaml:"name"`
	// Command is the command line, split at spaces; "" means that the program is
	// started externally.
	Command string `yaml:"command"`
	// Config is a template of the configuration file; its fields are those of Site.
	Config string `yaml:"config"`
	// Extras reports whether the configuration of a scenario can be merged into Config.
	Extras bool `yaml:"extras"`
	// Ready is an address that answers 200 when the program is ready; "" means that
	// it is ready as soon as its UDP port is open.
	Ready string `yaml:"ready"`
	// Metrics is the address of a page in Prometheus' text format, "" when there is
	// none. Series are the names of its metrics.
	Metrics string `yaml:"metrics"`
	Series  Series `yaml:"series"`
	// ByTask are the destinations whose messages name the task and not the execution.
	ByTask []string `yaml:"byTask"`
	// REST is the base address of the REST API, "" when there is none.
	REST string `yaml:"rest"`
	// Journal is the directory of the journal below {dir}, for scenarios that
	// fill it before the start; "" when the program has none that can be filled.
	Journal string `yaml:"journal"`
}

// Series are names of metrics, whose values are summed up; none for a value that the
// program does not report.
type Series struct {
	// Build is a metric whose label revision is the revision of the program.
	Build string `yaml:"build"`
	// Durable counts the events that have reached the disk.
	Durable []string `yaml:"durable"`
	// Decided counts the events that were handled, Pending those that wait.
	Decided []string `yaml:"decided"`
	Pending []string `yaml:"pending"`
	// Queued counts the messages that are recorded and not yet delivered.
	Queued []string `yaml:"queued"`
	// Followed counts the executions that are being followed.
	Followed []string `yaml:"followed"`
}

// ParseSpec reads the description of a program.
func ParseSpec(text []byte) (Spec, error) {
	var s Spec
	if err := Decode(text, &s); err != nil {
		return s, fmt.Errorf("read the description of a target: %w", err)
	}
	if err := s.Validate(); err != nil {
		return s, fmt.Errorf("read the description of a target: %w", err)
	}
	return s, nil
}

// Validate returns everything that is wrong with the description.
func (s Spec) Validate() error {
	var problems []error
	if s.Name == "" || s.Config == "" {
		problems = append(problems, errors.New("name and config are required"))
	}
	if s.Command != "" && strings.TrimSpace(s.Command) == "" {
		problems = append(problems, errors.New("command has no word"))
	}
	// The directory is emptied between trials, and filled before a start.
	if s.Journal != "" && (!filepath.IsLocal(s.Journal) || filepath.Clean(s.Journal) == ".") {
		problems = append(problems, fmt.Errorf("journal %q must be a directory below that of the run, such as journal", s.Journal))
	}
	return errors.Join(problems...)
}

// The names of destinations in a template: those that it queries with On, and those that
// are paths of the webhook sink.
var (
	asked  = regexp.MustCompile(`\.On\s+"([^"]+)"`)
	called = regexp.MustCompile(`\.HTTP\s*-?}}/([\w./-]+)`)
)

// Destinations returns the names of the destinations that can be switched on, with the
// configuration of a scenario. A topic of MQTT is only found by {{.On "topic"}}.
func (s Spec) Destinations(extra string) []string {
	text := s.Config + "\n" + extra
	var out []string
	for _, m := range slices.Concat(asked.FindAllStringSubmatch(text, -1), called.FindAllStringSubmatch(text, -1)) {
		out = append(out, strings.TrimRight(m[1], "/"))
	}
	for name, field := range map[string]string{"email": ".SMTP", "influxdb": ".Influx"} {
		if strings.Contains(text, field) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Site is the simulated site as a template of a configuration file sees it.
type Site struct {
	// Dir is an empty directory of the run.
	Dir                               string
	UDPPort, OperationsPort, RESTPort int
	QRS, SMTP, Influx, MQTT           Address
	// HTTP is the base address of the sink for webhooks, without a slash at the end.
	HTTP                            string
	ClientCert, ClientKey, RootCert string

	destinations []string
}

// Address is where a part of the site listens.
type Address struct{ Host, Port string }

// ParseAddress splits host:port.
func ParseAddress(text string) (Address, error) {
	host, port, err := net.SplitHostPort(text)
	return Address{host, port}, err
}

// WithDestinations returns the site with the destinations that are switched on.
func (s Site) WithDestinations(names []string) Site {
	s.destinations = names
	return s
}

// On reports whether a destination is switched on.
func (s Site) On(name string) bool {
	for _, on := range s.destinations {
		if on == name || strings.HasPrefix(on, name+"/") {
			return true
		}
	}
	return false
}

// Configuration returns the configuration file. extra is a template of YAML that is merged
// into the file; its lists replace those of the file.
func (s Spec) Configuration(site Site, extra string) ([]byte, error) {
	base, err := fill("configuration of "+s.Name, s.Config, site)
	if err != nil || strings.TrimSpace(extra) == "" {
		return base, err
	}
	if !s.Extras {
		return nil, fmt.Errorf("%s: %w", s.Name, ErrNoExtras)
	}
	addition, err := fill("configuration of the scenario", extra, site)
	if err != nil {
		return nil, err
	}
	var into, from map[string]any
	if err := yaml.Unmarshal(base, &into); err != nil {
		return nil, fmt.Errorf("read the configuration of %s: %w", s.Name, err)
	}
	if err := yaml.Unmarshal(addition, &from); err != nil {
		return nil, fmt.Errorf("read the configuration of the scenario: %w", err)
	}
	return yaml.Marshal(merge(into, from))
}

// ErrNoExtras is returned for a scenario with settings that the program does not know.
var ErrNoExtras = errors.New("the scenario changes the configuration in a way this target does not know")

func fill(name, text string, site Site) ([]byte, error) {
	parsed, err := template.New(name).Funcs(template.FuncMap{"seq": func(n int) []int { return make([]int, n) }}).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("read the template: %w", err)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, site); err != nil {
		return nil, fmt.Errorf("fill in the template: %w", err)
	}
	return out.Bytes(), nil
}

// merge returns into with the values of from, merging nested maps.
func merge(into, from map[string]any) map[string]any {
	into = maps.Clone(into)
	for key, value := range from {
		below, isMap := value.(map[string]any)
		if old, was := into[key].(map[string]any); isMap && was {
			into[key] = merge(old, below)
			continue
		}
		into[key] = value
	}
	return into
}

// place replaces the placeholders of a command line or an address.
func (s Site) place(text, config string) string {
	return strings.NewReplacer("{config}", config, "{dir}", s.Dir, "{udpPort}", strconv.Itoa(s.UDPPort),
		"{operationsPort}", strconv.Itoa(s.OperationsPort), "{restPort}", strconv.Itoa(s.RESTPort)).Replace(text)
}
