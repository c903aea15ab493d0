package expected

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"butler/internal/qlik/qrs"
)

// kind is one of the objects that routes name.
type kind int

const (
	tags kind = iota
	streams
	tasks
	apps
	kinds
)

// ways holds, for each kind, its name in the repository, whether a route may give an
// ID, and whether such objects come and go (fleeting): a route that names a deleted one
// is no reason to alarm anybody.
var ways = [kinds]struct {
	object         string
	byID, fleeting bool
}{
	tags:    {object: "tag"},
	streams: {object: "stream", byID: true},
	tasks:   {object: "task", byID: true, fleeting: true},
	apps:    {object: "app", byID: true, fleeting: true},
}

// look looks for the objects of a kind.
func (k kind) look(ctx context.Context, from Repository, named []mention) Look {
	way := ways[k]
	look := Look{Subject: way.object + "s"}
	known, err := from.Named(ctx, way.object, distinct(named)...)
	if err != nil {
		return look.failed(err)
	}
	for _, m := range named {
		is := func(r qrs.Reference) bool { return r.Name == m.name || way.byID && strings.EqualFold(r.ID, m.name) }
		if slices.ContainsFunc(known, is) {
			continue
		}
		what := fmt.Sprintf("%s: there is no %s %q that the user sees", m.path, way.object, m.name)
		if way.fleeting {
			look.Odd = append(look.Odd, what)
		} else {
			look.Missing = append(look.Missing, what)
		}
	}
	return look
}

// distinct returns the names, each once.
func distinct(named []mention) []string {
	var out []string
	for _, m := range named {
		if !slices.Contains(out, m.name) {
			out = append(out, m.name)
		}
	}
	return out
}
