package destination

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"butler/internal/template"
)

// Deps is what the program gives every destination. Nothing here is global.
type Deps struct {
	Log *zap.Logger
	// HTTP returns the outgoing client for the given options; see internal/httpc.
	HTTP func(HTTPOptions) (*http.Client, error)
	// Links are the Qlik Sense addresses and generic URLs that messages show.
	Links template.Links
	// Location is the time zone of local times in messages.
	Location *time.Location
	// BaseDir is what relative paths of the configuration are relative to.
	BaseDir string
}

// Path makes a path of the configuration absolute. An empty path stays empty.
func (d Deps) Path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(d.BaseDir, p)
}

// HTTPOptions describe an outgoing client.
type HTTPOptions struct {
	Timeout time.Duration
	// CAFile replaces the platform's trust store when set.
	CAFile string
	// InsecureSkipVerify accepts any server certificate.
	InsecureSkipVerify bool
}

// Spec describes a destination with a typed configuration C.
type Spec[C any] struct {
	// Section is the path below the root of the configuration: "slackNotification".
	Section string
	// Schema describes the keys of the section (embedded schema.yaml).
	Schema []byte
	// Check finds everything in the section that is not as it should be, as long as
	// what it belongs to is switched on. It changes nothing and calls nobody.
	Check func(c C, d Deps) Problems
	// Instances lists the configured uses; none when the destination is off.
	Instances func(c C) []Instance
	// New builds the destination behind one instance, with whose keys nothing is wrong.
	New func(c C, i Instance, d Deps) (Destination, error)
	// Templates are the built-in templates, named as a user's override would be; nil without any.
	Templates fs.FS
}

// Definition is a Spec without its type: what the registry holds.
type Definition struct {
	Name    string
	Section string
	Schema  []byte
	check   func(decode Decode, d Deps) (Problems, error)
	build   func(decode Decode, d Deps) ([]Built, error)
}

// Decode reads a section of the configuration, checked against the schema, into a struct.
type Decode func(section string, into any) error

// Built is a configured instance with the destination behind it.
type Built struct {
	Instance    Instance
	Destination Destination
}

// Define erases the type of a Spec. It panics on nonsense, at start-up.
func Define[C any](name string, s Spec[C]) Definition {
	if name == "" || s.Section == "" || s.Check == nil || s.Instances == nil || s.New == nil || len(s.Schema) == 0 {
		panic(fmt.Sprintf("BUG: destination %q needs a name, a section, a schema, Check, Instances and New", name))
	}
	return Definition{
		Name: name, Section: s.Section, Schema: s.Schema,
		check: func(decode Decode, d Deps) (Problems, error) {
			c, err := s.read(decode)
			if err != nil {
				return nil, err
			}
			return s.Check(c, d).Below(s.Section), nil
		},
		build: func(decode Decode, d Deps) ([]Built, error) { return s.build(name, decode, d) },
	}
}

func (s Spec[C]) read(decode Decode) (C, error) {
	var c C
	if err := decode(s.Section, &c); err != nil {
		return c, fmt.Errorf("read section %s: %w", s.Section, err)
	}
	return c, nil
}

func (s Spec[C]) build(name string, decode Decode, d Deps) ([]Built, error) {
	c, err := s.read(decode)
	if err != nil {
		return nil, err
	}
	problems, instances := s.Check(c, d), s.Instances(c)
	paths := make([]string, 0, len(instances))
	for _, i := range instances {
		paths = append(paths, i.Path)
	}
	built := make([]Built, 0, len(instances))
	var left error
	for _, i := range instances {
		i.Integration, i.Properties = name, below(s.Section, i.Properties)
		dest, err := s.one(c, i, problems, paths, d)
		if err != nil {
			left = errors.Join(left, fmt.Errorf("set up %s: %w", i.Name, err))
			continue
		}
		built = append(built, Built{Instance: i, Destination: dest})
	}
	return built, left
}

// below returns the properties with their paths from the root of the configuration.
func below(section string, properties []Property) []Property {
	var out []Property
	for _, p := range properties {
		p.Path = section + "." + p.Path
		out = append(out, p)
	}
	return out
}

// one builds the destination behind one instance, unless its configuration forbids it.
func (s Spec[C]) one(c C, i Instance, problems Problems, paths []string, d Deps) (Destination, error) {
	if p, wrong := problems.against(i.Path, paths); wrong {
		return nil, p
	}
	return s.New(c, i, d)
}

// Check reads the destination's section through decode and lists what is wrong
// with it. Paths begin at the root of the configuration.
func (d Definition) Check(decode Decode, deps Deps) (Problems, error) { return d.check(decode, deps) }

// Build reads the destination's section through decode and builds every
// configured instance. One that cannot work as it is configured is left out,
// and the error says so of each.
func (d Definition) Build(decode Decode, deps Deps) ([]Built, error) {
	deps.Log = deps.Log.Named(d.Name)
	return d.build(decode, deps)
}
