package app

import (
	"context"
	"errors"
	"slices"

	"go.uber.org/zap"

	"butler/supervisors"
)

// part is a feature of the service that a reload may add, replace, remove, or keep as
// it is with everything under way in it: the connection to a broker, the scheduler, a
// monitor. A feature adds its part while a generation is built, and needs no other line
// for its start, its reload and its end.
type part struct {
	// name is unique within a generation. A part replaces the one of that name.
	name string
	// actors are started with the part in this order, and stopped with it.
	actors []supervisors.Child
	// components are its entries on the health board, apart from those of its actors.
	components []string
	// open starts what runs beside the actors; nil when nothing does.
	open func()
	// finishCalls ends, until ctx ends, what waits for answers of its actors, before they are
	// stopped for a successor; nil when there is nothing.
	finishCalls func(ctx context.Context)
	// closer closes what the part has opened, before its successor opens: a broker
	// allows a client ID only one connection.
	closer closer
	// finish ends a part that has been replaced and whose work is to be completed
	// first. It calls closer. nil means that closer runs immediately.
	finish func()
	// gone resets the metrics once there is no part of this name any more; nil when there
	// are none to reset.
	gone func()
}

// add adds a part to the generation, which closes it from now on.
func (g *generation) add(p part) *part {
	g.parts = append(g.parts, &p)
	return &p
}

// keep takes over a part of the previous generation and reports whether there is one.
func (g *generation) keep(name string) bool {
	if g.previous == nil {
		return false
	}
	p := g.previous.part(name)
	if p != nil {
		g.parts = append(g.parts, p)
	}
	return p != nil
}

// part returns the part of that name, nil when there is none.
func (g *generation) part(name string) *part {
	if at := slices.IndexFunc(g.parts, func(p *part) bool { return p.name == name }); at >= 0 {
		return g.parts[at]
	}
	return nil
}

// partsNotIn returns the parts that other does not have. other may be nil.
func (g *generation) partsNotIn(other *generation) []*part {
	if other == nil {
		return slices.Clone(g.parts)
	}
	return slices.DeleteFunc(slices.Clone(g.parts), func(p *part) bool { return slices.Contains(other.parts, p) })
}

// actorsOf returns the actors of parts in order of start.
func actorsOf(parts []*part) []supervisors.Child {
	var rows []supervisors.Child
	for _, p := range parts {
		rows = append(rows, p.actors...)
	}
	return rows
}

// closeParts closes parts, the last added first.
func closeParts(ctx context.Context, parts []*part, log *zap.Logger) error {
	var all error
	for _, p := range slices.Backward(parts) {
		all = errors.Join(all, p.closer.close(ctx, log))
	}
	return all
}

// forget removes from the health board and the metrics what is not watched any more.
func (g *generation) forget(replaced []*part) {
	watched := map[string]bool{}
	for _, p := range g.parts {
		for _, component := range p.components {
			watched[component] = true
		}
	}
	for _, p := range replaced {
		for _, component := range p.components {
			if !watched[component] {
				g.health.Remove(component)
			}
		}
	}
	g.resetMetrics(replaced)
	g.services.Keep(serviceHosts(g.cfg.ServiceMonitor()), g.serviceGauges())
}

// resetMetrics resets the metrics of parts of which the generation has none.
func (g *generation) resetMetrics(parts []*part) {
	for _, p := range parts {
		if p.gone != nil && g.part(p.name) == nil {
			p.gone()
		}
	}
}
