package destination

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"time"

	"go.uber.org/zap"

	"butler/internal/fspath"
	"butler/internal/template"
	"butler/messages"
)

// Deps is what the program gives every destination. Nothing here is global.
type Deps struct {
	Log *zap.Logger
	// HTTP returns the outgoing client for the given options; see internal/httpc.
	HTTP func(HTTPOptions) (*http.Client, error)
	// MQTT returns the connection to the broker that the program shares.
	MQTT func() (Publisher, error)
	// Links are the Qlik Sense addresses and generic URLs that messages show.
	Links template.Links
	// Location is the time zone of local times in messages.
	Location *time.Location
	// BaseDir is what relative paths of the configuration are relative to.
	BaseDir string
	// BadTemplates returns the counter of unusable templates of an integration. Nil
	// counts nothing.
	BadTemplates func(integration string) (count func())

	integration string
}

// BadTemplate returns a function that a destination calls whenever it cannot use a
// template of the operator and sends another layout.
func (d Deps) BadTemplate() (count func()) {
	if d.BadTemplates == nil {
		return func() {}
	}
	return d.BadTemplates(d.integration)
}

// Publisher publishes to an MQTT broker.
type Publisher interface {
	// Publish returns nil error only when the broker has acknowledged the message.
	Publish(ctx context.Context, topic string, payload []byte) error
}

// Path makes a path of the configuration absolute. An empty path stays empty.
func (d Deps) Path(p string) string { return fspath.Absolute(d.BaseDir, p) }

// HTTPOptions describe an outgoing client.
type HTTPOptions struct {
	Timeout time.Duration
	// CAFile replaces the platform's trust store when set.
	CAFile string
	// InsecureSkipVerify accepts any server certificate.
	InsecureSkipVerify bool
	// MaxBody is how many bytes of an answer can be read; 0 means 1 MiB.
	MaxBody int64
}

// Spec describes a destination: C is its section of the configuration, S the
// settings of one use of it.
type Spec[C, S any] struct {
	// Section is the path that C is decoded from: "slackNotification".
	Section string
	// Route is the key of a route that lists further uses: "slack". "" for a
	// destination that routes cannot name.
	Route string
	// RouteKinds are what routes can send through it; nil means everything.
	RouteKinds []messages.AlertKind
	// Schema describes the keys of the section, of "routes[].<Route>", and of
	// other sections that are the destination's own (embedded schema.yaml).
	Schema []byte
	// Read adds to C what is in other sections, such as accounts and switches; nil if
	// there is nothing.
	Read func(decode Decode, c *C) error
	// Enabled is the master switch, "enable" in the section; nil without one.
	// Routes only use a destination that is switched on.
	Enabled func(c C) bool
	// Uses lists what the sections switch on.
	Uses func(c C) []Use[S]
	// Check validates the keys that all uses share, with paths from the root; CheckUse
	// those of one use, with paths below its own. Both are only called for what is
	// switched on, change nothing and use no network. Nil means that the schema is enough.
	Check    func(c C, d Deps) Problems
	CheckUse func(c C, u Use[S], d Deps) Problems
	// Expand splits a use that needs several queues, such as one per account; nil without any.
	Expand func(c C, u Use[S]) []Use[S]
	// Instance describes the queue of a use. Its name, path, kinds and integration
	// are filled in from the use.
	Instance func(c C, u Use[S]) Instance
	// New builds the destination behind a use with which nothing is wrong.
	New func(c C, u Use[S], d Deps) (Destination, error)
	// Templates are the built-in templates, named as a user's override would be; nil without any.
	Templates fs.FS
}

// Definition is a Spec without its types: what the registry holds.
type Definition struct {
	Name    string
	Section string
	// Route is the key of a route that lists uses of the destination, "" without one.
	Route string
	// RouteKinds are what routes can send through it.
	RouteKinds []messages.AlertKind
	Schema     []byte
	// Templates are the built-in templates; nil without any.
	Templates fs.FS
	check     func(decode Decode, d Deps) (Problems, error)
	build     func(decode Decode, d Deps) ([]Built, error)
	// listed counts the entries that each route has for the destination.
	listed func(decode Decode) ([]int, error)
}

// Decode reads a section of the configuration, checked against the schema, into
// a struct, a list into a slice. "routes[].slack" is what each item of a list
// has at a key: a slice with one element an item.
type Decode func(section string, into any) error

// Built is a configured instance with the destination behind it.
type Built struct {
	Instance    Instance
	Destination Destination
}

// Define erases the types of a Spec. It panics on nonsense, at start-up.
func Define[C, S any](name string, s Spec[C, S]) Definition {
	if name == "" || s.Section == "" || len(s.Schema) == 0 || s.Uses == nil || s.Instance == nil || s.New == nil {
		panic(fmt.Sprintf("BUG: destination %q needs a name, a section, a schema, Uses, Instance and New", name))
	}
	if s.Route != "" && s.Enabled == nil {
		panic(fmt.Sprintf("BUG: destination %q can be routed to and has no master switch", name))
	}
	if s.Route != "" && s.RouteKinds == nil {
		s.RouteKinds = messages.AllKinds()
	}
	return Definition{
		Name: name, Section: s.Section, Route: s.Route, RouteKinds: s.RouteKinds, Schema: s.Schema, Templates: s.Templates,
		check: func(decode Decode, d Deps) (Problems, error) {
			_, _, problems, err := s.uses(decode, d)
			return problems, err
		},
		build: func(decode Decode, d Deps) ([]Built, error) { return s.build(name, decode, d) },
		listed: func(decode Decode) ([]int, error) {
			entries, err := s.entries(decode)
			counts := make([]int, len(entries))
			for i, list := range entries {
				counts[i] = len(list)
			}
			return counts, err
		},
	}
}

func (s Spec[C, S]) build(name string, decode Decode, d Deps) ([]Built, error) {
	c, uses, _, err := s.uses(decode, d)
	if err != nil {
		return nil, err
	}
	built := make([]Built, 0, len(uses))
	var left error
	for _, u := range uses {
		b, err := s.one(name, c, u, d)
		if err != nil {
			left = errors.Join(left, fmt.Errorf("set up %s/%s: %w", name, u.Name, err))
			continue
		}
		built = append(built, b)
	}
	return built, left
}

// one builds the destination behind one use, unless its configuration forbids it.
func (s Spec[C, S]) one(name string, c C, u Use[S], d Deps) (Built, error) {
	if u.broken != nil {
		return Built{}, *u.broken
	}
	i := s.Instance(c, u)
	i.Name, i.Path, i.Kinds, i.Integration, i.route = name+"/"+u.Name, u.Path, u.Kinds, name, u.route
	dest, err := s.New(c, u, d)
	return Built{Instance: i, Destination: dest}, err
}

// Check reads what the configuration has for the destination through decode and
// lists what is wrong with it. Paths begin at the root of the configuration.
func (d Definition) Check(decode Decode, deps Deps) (Problems, error) { return d.check(decode, deps) }

// Build reads what the configuration has for the destination through decode and
// builds every use. One that cannot work as it is configured is left out, and
// the error says so of each.
func (d Definition) Build(decode Decode, deps Deps) ([]Built, error) {
	deps.Log, deps.integration = deps.Log.Named(d.Name), d.Name
	return d.build(decode, deps)
}
