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

// Deps is what the program provides to every destination. Nothing here is global.
type Deps struct {
	Log *zap.Logger
	// HTTP returns the outgoing client for the given options; see internal/httpc.
	HTTP func(HTTPOptions) (*http.Client, error)
	// MQTT returns the program's shared connection to the broker.
	MQTT func() (Publisher, error)
	// Links are the Qlik Sense addresses and generic URLs that messages show.
	Links template.Links
	// Location is the time zone of local times in messages.
	Location *time.Location
	// BaseDir is the directory that relative paths of the configuration refer to.
	BaseDir string
	// BadTemplates returns the counter of unusable templates of an integration; nil counts nothing.
	BadTemplates func(integration string) (count func())
	// Numbers are the numbers of the entries of lists; nil makes them the positions.
	Numbers *Numbers

	integration string
}

// BadTemplate returns the function that a destination calls each time it cannot use
// an operator's template and sends another layout.
func (d Deps) BadTemplate() (count func()) {
	if d.BadTemplates == nil {
		return func() {}
	}
	return d.BadTemplates(d.integration)
}

// Publisher publishes to an MQTT broker.
type Publisher interface {
	// Publish returns a nil error only when the broker has acknowledged the message.
	Publish(ctx context.Context, topic string, payload []byte) error
}

// Path makes a configured path absolute. An empty path stays empty.
func (d Deps) Path(p string) string { return fspath.Absolute(d.BaseDir, p) }

// HTTPOptions describe an outgoing client.
type HTTPOptions struct {
	Timeout time.Duration
	// CAFile replaces the platform's trust store when set.
	CAFile string
	// InsecureSkipVerify accepts any server certificate.
	InsecureSkipVerify bool
	// MaxBody is the number of bytes of an answer that can be read; 0 means 1 MiB.
	MaxBody int64
}

// Spec describes a destination: C is its section of the configuration, S the
// settings of one use of it.
type Spec[C, S any] struct {
	// Section is the path that C is decoded from: "slackNotification".
	Section string
	// Route is the key under which a route lists further uses: "slack"; "" if routes
	// cannot name the destination.
	Route string
	// RouteKinds are the kinds that routes can send to it; nil means all.
	RouteKinds []messages.AlertKind
	// Schema describes the keys of the section, of "routes[].<Route>", and of other
	// sections that belong to the destination (embedded schema.yaml).
	Schema []byte
	// Read adds the values of other sections to C, such as accounts and switches; nil if
	// there are none.
	Read func(decode Decode, c *C) error
	// Enabled is the master switch, "enable" in the section; nil without one. Routes use
	// a destination only while it is enabled.
	Enabled func(c C) bool
	// Uses lists the uses that the sections enable.
	Uses func(c C) []Use[S]
	// Check validates the keys that all uses share, with paths from the root; CheckUse
	// those of one use, with paths below its own. Both are only called for what is enabled,
	// and must change nothing and use no network. Nil means that the schema suffices.
	Check    func(c C, d Deps) Problems
	CheckUse func(c C, u Use[S], d Deps) Problems
	// Address returns where the settings of an entry of a list send to: entries with another
	// address must never get each other's notices. It may be secret; only its hash is kept.
	// Nil if no use is Listed and routes cannot name the destination.
	Address func(settings S) []string
	// Expand splits a use that needs several queues, such as one per account; nil if none does.
	Expand func(c C, u Use[S]) []Use[S]
	// Instance describes the queue of a use. Its name, path, kinds and integration are
	// set from the use.
	Instance func(c C, u Use[S]) Instance
	// New builds the destination of a use without problems.
	New func(c C, u Use[S], d Deps) (Destination, error)
	// Templates are the built-in templates, named like a user's override; nil if there are none.
	Templates fs.FS
}

// Definition is a Spec without its type parameters, as the registry holds it.
type Definition struct {
	Name    string
	Section string
	// Route is the key under which a route lists uses of the destination, "" without one.
	Route string
	// RouteKinds are the kinds that routes can send to it.
	RouteKinds []messages.AlertKind
	Schema     []byte
	// Templates are the built-in templates; nil if there are none.
	Templates fs.FS
	check     func(decode Decode, d Deps) (Problems, error)
	build     func(decode Decode, d Deps) ([]Built, error)
	// listed returns the number of entries that each route has for the destination.
	listed func(decode Decode) ([]int, error)
}

// Decode reads a section of the configuration, checked against the schema, into a
// struct, or a list into a slice. "routes[].slack" is the value of a key in each item
// of a list: a slice with one element per item.
type Decode func(section string, into any) error

// Built is a configured instance with its destination.
type Built struct {
	Instance    Instance
	Destination Destination
}

// Define erases the types of a Spec. It panics at start-up if the Spec is incomplete.
func Define[C, S any](name string, s Spec[C, S]) Definition {
	if name == "" || s.Section == "" || len(s.Schema) == 0 || s.Uses == nil || s.Instance == nil || s.New == nil {
		panic(fmt.Sprintf("BUG: destination %q needs a name, a section, a schema, Uses, Instance and New", name))
	}
	if s.Route != "" && s.Enabled == nil {
		panic(fmt.Sprintf("BUG: destination %q can be routed to and has no master switch", name))
	}
	if s.Route != "" && s.Address == nil {
		panic(fmt.Sprintf("BUG: destination %q can be routed to and does not tell its entries apart by address", name))
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

// one builds the destination of one use, unless its configuration is broken.
func (s Spec[C, S]) one(name string, c C, u Use[S], d Deps) (Built, error) {
	if u.broken != nil {
		return Built{}, *u.broken
	}
	i := s.Instance(c, u)
	i.Name, i.Path, i.Kinds, i.Integration, i.route = name+"/"+u.Name, u.Path, u.Kinds, name, u.route
	dest, err := s.New(c, u, d)
	return Built{Instance: i, Destination: dest}, err
}

// Check reads the configuration of the destination through decode and lists its
// problems. Their paths begin at the root of the configuration.
func (d Definition) Check(decode Decode, deps Deps) (Problems, error) { return d.check(decode, deps) }

// Build reads the configuration of the destination through decode and builds every
// use. The error names each use that cannot be built; these are left out.
func (d Definition) Build(decode Decode, deps Deps) ([]Built, error) {
	deps.Log, deps.integration = deps.Log.Named(d.Name), d.Name
	return d.build(decode, deps)
}
