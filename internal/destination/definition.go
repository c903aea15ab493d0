package destination

import (
	"fmt"
	"io/fs"
	"net/http"
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
	// Instances lists the configured uses; none when the destination is off.
	Instances func(c C, d Deps) ([]Instance, error)
	// New builds the destination behind one instance.
	New func(c C, i Instance, d Deps) (Destination, error)
	// Templates are the built-in templates, named as a user's override would be; nil without any.
	Templates fs.FS
}

// Definition is a Spec without its type: what the registry holds.
type Definition struct {
	Name    string
	Section string
	Schema  []byte
	build   func(decode func(section string, into any) error, d Deps) ([]Built, error)
}

// Built is a configured instance with the destination behind it.
type Built struct {
	Instance    Instance
	Destination Destination
}

// Define erases the type of a Spec. It panics on nonsense, at start-up.
func Define[C any](name string, s Spec[C]) Definition {
	if name == "" || s.Section == "" || s.Instances == nil || s.New == nil || len(s.Schema) == 0 {
		panic(fmt.Sprintf("BUG: destination %q needs a name, a section, a schema, Instances and New", name))
	}
	return Definition{
		Name: name, Section: s.Section, Schema: s.Schema,
		build: func(decode func(string, any) error, d Deps) ([]Built, error) {
			var c C
			if err := decode(s.Section, &c); err != nil {
				return nil, fmt.Errorf("read section %s: %w", s.Section, err)
			}
			instances, err := s.Instances(c, d)
			if err != nil {
				return nil, fmt.Errorf("set up %s: %w", name, err)
			}
			built := make([]Built, 0, len(instances))
			for _, i := range instances {
				i.Integration = name
				dest, err := s.New(c, i, d)
				if err != nil {
					return nil, fmt.Errorf("set up %s: %w", i.Name, err)
				}
				built = append(built, Built{Instance: i, Destination: dest})
			}
			return built, nil
		},
	}
}

// Build reads the destination's section through decode and builds every configured instance.
func (d Definition) Build(decode func(section string, into any) error, deps Deps) ([]Built, error) {
	deps.Log = deps.Log.Named(d.Name)
	return d.build(decode, deps)
}
