// Package expected owns what the configuration expects to find in the repository:
// custom properties with their values, and the tags, streams, tasks and apps that
// routes name.
//
// It guarantees that what is missing, or means nothing, is told with the key of the
// configuration that names it. It must never change anything in the repository, nor
// decide what becomes of an alert.
package expected

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"butler/internal/destination"
	"butler/internal/qlik/qrs"
	"butler/messages"
)

// Site is what the configuration expects of a site of Qlik Sense.
type Site struct {
	// bySections are custom properties of reload tasks, byRoutes those of tasks and of apps.
	bySections, byRoutes []destination.Property
	// ofApps tells by the path those of byRoutes that are of apps.
	ofApps map[string]bool
	// objects are what routes name, in the order of kinds.
	objects [kinds][]mention
}

// mention is a name in the configuration, and the key where it stands.
type mention struct{ path, name string }

// Nothing reports that nothing is expected.
func (s Site) Nothing() bool {
	for _, named := range s.objects {
		if len(named) > 0 {
			return false
		}
	}
	return !s.namesProperties()
}

func (s Site) namesProperties() bool { return len(s.bySections)+len(s.byRoutes) > 0 }

// SiteOf reads it from the configuration and from the instances built of it.
func SiteOf(section destination.Decode, built []destination.Built) (Site, error) {
	out := Site{bySections: usedProperties(built), ofApps: map[string]bool{}}
	routes, err := destination.ReadRoutes(section)
	var cloud bool
	err = errors.Join(err, section("qlikSenseCloud.enable", &cloud))
	for i, r := range routes {
		at := func(key string, n int) string { return fmt.Sprintf("routes[%d].match.%s[%d]", i, key, n) }
		properties := func(key string, wanted []messages.Property, ofApps bool) {
			for j, p := range wanted {
				path := at(key, j)
				out.byRoutes = append(out.byRoutes, destination.Property{Path: path, Name: p.Name, Value: p.Value})
				out.ofApps[path] = ofApps
			}
		}
		objects := func(k kind, key string, names []string) {
			for j, name := range names {
				out.objects[k] = append(out.objects[k], mention{at(key, j), name})
			}
		}
		properties("taskCustomProperties", r.Match.TaskCustomProperties, false)
		properties("appCustomProperties", r.Match.AppCustomProperties, true)
		objects(tags, "taskTags", r.Match.TaskTags)
		objects(tags, "appTags", r.Match.AppTags)
		objects(streams, "streams", r.Match.Streams)
		objects(tasks, "tasks", r.Match.Tasks)
		if !mayNameCloudApps(r, cloud) {
			objects(apps, "apps", r.Match.Apps)
		}
	}
	return out, err
}

// mayNameCloudApps reports that a route takes reloads in Qlik Cloud, if any are heard
// of, or nothing else: then its apps may be those of the tenant.
func mayNameCloudApps(r destination.Route, cloud bool) bool {
	return slices.Contains(r.Kinds, messages.CloudReloadFailed) && (cloud || len(r.Kinds) == 1)
}

// Repository is asked for what there is; *qrs.Client is the one in use.
type Repository interface {
	CustomPropertyDefinitions(ctx context.Context, objectType string) ([]qrs.PropertyDefinition, error)
	AllCustomPropertyDefinitions(ctx context.Context) ([]qrs.PropertyDefinition, error)
	Named(ctx context.Context, kind string, names ...string) ([]qrs.Reference, error)
}

// Look is what was seen of one subject.
type Look struct {
	// Subject is what was looked for, in the plural, such as "tags".
	Subject string
	// Missing is what cannot be as it is expected: alerts that depend on it go
	// where nobody wanted them, or nowhere. Odd is what may be so on purpose.
	Missing, Odd []string
	// Err says that the repository did not answer; nothing is known then.
	Err error
}

func (l Look) failed(err error) Look { return Look{Subject: l.Subject, Err: err} }

// Compare looks for everything that is expected, subject by subject; subjects of
// which nothing is expected are left out.
func (s Site) Compare(ctx context.Context, from Repository) []Look {
	var out []Look
	if s.namesProperties() {
		out = append(out, s.properties(ctx, from))
	}
	for k, named := range s.objects {
		if len(named) > 0 {
			out = append(out, kind(k).look(ctx, from, named))
		}
	}
	return out
}
