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
	// Command is the command line, split at spaces; "" means that the program
	// is started by somebody else.
	Command string `yaml:"command"`
	// Config is a template of the configuration file; its fields are those of Site.
	Config string `yaml:"config"`
	// Extras tells that the configuration of a scenario can be merged into Config.
	Extras bool `yaml:"extras"`
	// Ready is asked until it answers 200; "" means that the program is ready
	// as soon as its UDP port is open.
	Ready string `yaml:"ready"`
	// Metrics is a page in Prometheus' text format, "" when there is none. The
	// series are the names whose sum answers a question; see Series.
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

// Series are names of metrics; a question nobody answers has none.
type Series struct {
	// Build names one whose label revision tells what the program was built from.
	Build string `yaml:"build"`
	// Durable counts the events that have reached the disk.
	Durable []string `yaml:"durable"`
	// Decided counts the events that were dealt with, Pending those that wait.
	Decided []string `yaml:"decided"`
	Pending []string `yaml:"pending"`
	// Queued counts the messages that are recorded and not delivered.
	Queued []string `yaml:"queued"`
	// Followed counts the executions that are followed until they end.
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

// Validate says what is wrong with the description.
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

// How a configuration shows the names of destinations: those that it asks for and
// those that it calls by their path.
var (
	asked  = regexp.MustCompile(`\.On\s+"([^"]+)"`)
	called = regexp.MustCompile(`\.HTTP\s*-?}}/([\w./-]+)`)
)

// Destinations are the names of those that the program can be told of, with
// the configuration of a scenario. A topic of MQTT is only known by {{.On "topic"}}.
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

// Site is what a configuration file can say about the simulated site.
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

// Configuration fills in the configuration file. extra is a template as well:
// YAML that is merged into the file, whose lists take the place of others.
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

// ErrNoExtras says that a scenario wants settings that the program does not know.
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

// merge puts from into into, map by map.
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
