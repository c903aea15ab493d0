// Package expected owns the comparison of the configuration with the repository: of
// custom properties with their values, and of the tags, streams, tasks and apps that
// routes name.
//
// It guarantees that whatever is missing, or has no meaning, is reported with the
// configuration key that names it. It must never change anything in the repository, nor
// decide what happens to an alert.
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

// Site is what the configuration expects of a Qlik Sense site.
type Site struct {
	// bySections are the custom properties of reload tasks that sections name, byRoutes
	// those of tasks and apps that routes name.
	bySections, byRoutes []destination.Property
	// ofApps holds the paths of those in byRoutes that are properties of apps.
	ofApps map[string]bool
	// objects are what routes name, in the order of kinds.
	objects [kinds][]mention
}

// mention is a name in the configuration, and the path of its key.
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

// mayNameCloudApps reports that the apps of a route may be those of the Qlik Cloud
// tenant: the route takes reloads in Qlik Cloud, and either their events are enabled or
// it takes nothing else.
func mayNameCloudApps(r destination.Route, cloud bool) bool {
	return slices.Contains(r.Kinds, messages.CloudReloadFailed) && (cloud || len(r.Kinds) == 1)
}

// Repository is asked for what there is; *qrs.Client is the one in use.
type Repository interface {
	CustomPropertyDefinitions(ctx context.Context, objectType string) ([]qrs.PropertyDefinition, error)
	AllCustomPropertyDefinitions(ctx context.Context) ([]qrs.PropertyDefinition, error)
	Named(ctx context.Context, kind string, names ...string) ([]qrs.Reference, error)
}

// Look is the result for one subject.
type Look struct {
	// Subject is what was looked for, in the plural, such as "tags".
	Subject string
	// Missing describes what is not as expected: alerts that depend on it go to the
	// wrong place, or nowhere. Odd describes what may be intended.
	Missing, Odd []string
	// Err says why the repository did not answer; the rest is empty then.
	Err error
}

func (l Look) failed(err error) Look { return Look{Subject: l.Subject, Err: err} }

// Compare looks for everything that is expected, subject by subject. It skips subjects
// of which nothing is expected.
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
