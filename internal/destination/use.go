package destination

import (
	"fmt"
	"slices"

	"butler/messages"
)

// Use is one place of the configuration that sends alerts to a destination: a section
// of the destination's own, or an entry of a route.
type Use[S any] struct {
	// Name is unique among the uses of a destination: "reload_task_failed", "routes/night".
	Name string
	// Listed means that it is an entry of a list: Name is that of the list, to which the
	// number of the entry is added.
	Listed bool
	// Path is the key that configures it, from the root of the configuration:
	// "slackNotification.reloadTaskFailure", "routes[0].slack[1]".
	Path string
	// Kinds are the alert kinds it carries.
	Kinds []messages.AlertKind
	// Settings are the operator's settings.
	Settings S

	// route is the number of its route, from 1; 0 outside of routes.
	route int
	// oneIsSilent means that the number 1 is not added to Name.
	oneIsSilent bool
	// broken is the problem that keeps it from working, nil without one.
	broken *Problem
}

// uses lists all uses of the destination and their problems. Warnings are among the
// problems but break no use.
func (s Spec[C, S]) uses(decode Decode, d Deps) (C, []Use[S], Problems, error) {
	var c C
	if err := decode(s.Section, &c); err != nil {
		return c, nil, nil, fmt.Errorf("read section %s: %w", s.Section, err)
	}
	if s.Read != nil {
		if err := s.Read(decode, &c); err != nil {
			return c, nil, nil, fmt.Errorf("read what section %s needs: %w", s.Section, err)
		}
	}
	routed, problems, err := s.routed(c, decode)
	if err != nil {
		return c, nil, nil, err
	}
	uses := append(s.Uses(c), routed...)
	s.number(uses, d)
	if len(uses) == 0 && (s.Enabled == nil || !s.Enabled(c)) {
		return c, nil, problems, nil
	}
	shared, broken := s.check(c, uses, d)
	problems = append(problems, shared...)
	if broken != nil {
		for i := range uses {
			uses[i].broken = broken
		}
	}
	uses = s.expand(c, uses)
	s.number(uses, d)
	return c, uses, problems, nil
}

// check lists the problems of the shared keys and of each use. It returns the one
// that breaks all uses, if any, and marks uses that are broken on their own.
func (s Spec[C, S]) check(c C, uses []Use[S], d Deps) (Problems, *Problem) {
	var problems Problems
	if s.Check != nil {
		problems = s.Check(c, d)
	}
	broken := problems.first()
	for i := range uses {
		if s.CheckUse == nil {
			break
		}
		own := s.CheckUse(c, uses[i], d).Below(uses[i].Path)
		uses[i].broken = own.first()
		problems = append(problems, own...)
	}
	return problems, broken
}

// expand splits the uses that need several queues.
func (s Spec[C, S]) expand(c C, uses []Use[S]) []Use[S] {
	if s.Expand == nil {
		return uses
	}
	var out []Use[S]
	for _, u := range uses {
		if u.broken != nil {
			out = append(out, u)
			continue
		}
		for _, part := range s.Expand(c, u) {
			part.route = u.route
			out = append(out, part)
		}
	}
	return out
}

// routed lists the entries that routes have for the destination, if its master switch is on.
func (s Spec[C, S]) routed(c C, decode Decode) ([]Use[S], Problems, error) {
	routes, err := ReadRoutes(decode)
	if err != nil || len(routes) == 0 {
		return nil, nil, err
	}
	entries, err := s.entries(decode)
	if err != nil {
		return nil, nil, err
	}
	var out []Use[S]
	var problems Problems
	for r, list := range entries {
		path := fmt.Sprintf("routes[%d].%s", r, s.Route)
		if len(list) > 0 && !s.Enabled(c) {
			problems.Warn(path, fmt.Sprintf("has no effect, because %s.enable is false", s.Section), "set "+s.Section+".enable to true")
			continue
		}
		kinds := slices.DeleteFunc(slices.Clone(routes[r].Kinds), func(k messages.AlertKind) bool { return !slices.Contains(s.RouteKinds, k) })
		if len(list) > 0 && len(kinds) == 0 {
			problems.Warn(path, "can carry none of the events that the route matches", "see docs/destinations.md")
			continue
		}
		for n, settings := range list {
			out = append(out, Use[S]{
				Name: "routes/" + routes[r].Name, Listed: true, oneIsSilent: true, route: r + 1,
				Path: fmt.Sprintf("%s[%d]", path, n), Kinds: kinds, Settings: settings,
			})
		}
	}
	return out, problems, nil
}

// entries reads the entries of each route for the destination.
func (s Spec[C, S]) entries(decode Decode) ([][]S, error) {
	if s.Route == "" {
		return nil, nil
	}
	var entries [][]S
	if err := decode("routes[]."+s.Route, &entries); err != nil {
		return nil, fmt.Errorf("read what the routes have for %s: %w", s.Route, err)
	}
	return entries, nil
}
