package app_test

import (
	"go/ast"
	"go/parser"
	"go/types"
	"path/filepath"
	"slices"
	"testing"
)

// A generation is built beside the one in force and may be refused, so no step may
// write to the App that both share. This follows the calls from those steps. Metrics
// are the exception: they are registered at their first use.
func TestGeneration_isBuiltWithoutAWriteToTheProcess(t *testing.T) {
	b := newBuildSteps(t)
	b.from("build", "prepareIntake", "handOverDestinations")
	for len(b.todo) > 0 {
		var next *ast.FuncDecl
		next, b.todo = b.todo[0], b.todo[1:]
		b.read(next.Name.Name, next.Body)
	}
	for _, f := range b.files { // the probes of monitors are built by functions in tables
		ast.Inspect(f, func(n ast.Node) bool {
			if l, ok := n.(*ast.FuncLit); ok && b.takesGeneration(l) {
				b.read("a probe", l.Body)
			}
			return true
		})
	}
	if len(b.seen) < 30 {
		t.Errorf("BUG: only %d functions were followed", len(b.seen))
	}
}

// buildSteps follows calls in package app.
type buildSteps struct {
	*source
	files  []*ast.File
	info   *types.Info
	shared map[types.Object]bool // the fields of App
	bodies map[types.Object]*ast.FuncDecl
	seen   map[types.Object]bool
	todo   []*ast.FuncDecl
}

func newBuildSteps(t *testing.T) *buildSteps {
	t.Helper()
	const path = "butler/internal/app"
	b := &buildSteps{
		source: newSource(t, "./internal/app"), shared: map[types.Object]bool{}, bodies: map[types.Object]*ast.FuncDecl{}, seen: map[types.Object]bool{},
		info: &types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}, Types: map[ast.Expr]types.TypeAndValue{}},
	}
	for _, name := range b.listed[path].GoFiles {
		f, err := parser.ParseFile(b.fset, filepath.Join(b.listed[path].Dir, name), nil, parser.SkipObjectResolution)
		must(t, err)
		b.files = append(b.files, f)
	}
	checked, err := (&types.Config{Importer: b.load}).Check(path, b.fset, b.files, b.info)
	must(t, err)
	for v := range checked.Scope().Lookup("App").Type().Underlying().(*types.Struct).Fields() {
		b.shared[v] = true
	}
	for _, f := range b.files {
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Body != nil {
				b.bodies[b.info.Defs[d.Name]] = d
			}
		}
	}
	return b
}

// from begins with methods of generation, which have unique names.
func (b *buildSteps) from(names ...string) {
	for object := range b.bodies {
		if slices.Contains(names, object.Name()) {
			b.follow(object)
		}
	}
}

func (b *buildSteps) follow(object types.Object) {
	if body := b.bodies[object]; body != nil && !b.seen[object] && object.Name() != "sharedMetrics" {
		b.seen[object] = true
		b.todo = append(b.todo, body)
	}
}

// read reports writes in a function, and follows what it calls. Literals in it run later.
func (b *buildSteps) read(name string, body *ast.BlockStmt) {
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.AssignStmt:
			for _, to := range n.Lhs {
				b.wantOwn(name, to)
			}
		case *ast.IncDecStmt:
			b.wantOwn(name, n.X)
		case *ast.CompositeLit:
			for _, e := range n.Elts { // the table of steps
				if s, ok := e.(*ast.SelectorExpr); ok {
					b.follow(b.info.Uses[s.Sel])
				}
			}
		case *ast.CallExpr:
			b.call(name, n)
		}
		return true
	})
}

// writers are the methods that change a field of App.
var writers = []string{"Set", "Remove", "Store", "SetLevel", "Go", "add", "moveTo"}

func (b *buildSteps) call(name string, call *ast.CallExpr) {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		b.follow(b.info.Uses[f])
	case *ast.SelectorExpr:
		b.follow(b.info.Uses[f.Sel])
		if slices.Contains(writers, f.Sel.Name) {
			b.wantOwn(name, f.X)
		}
	}
}

// wantOwn wants something that is written to not to belong to the App.
func (b *buildSteps) wantOwn(name string, written ast.Expr) {
	switch e := written.(type) {
	case *ast.IndexExpr:
		b.wantOwn(name, e.X)
	case *ast.SelectorExpr:
		if b.shared[b.info.Uses[e.Sel]] {
			b.t.Errorf("want %s to write to the generation only, it writes to App.%s at %s", name, e.Sel.Name, b.fset.Position(e.Pos()))
		}
		b.wantOwn(name, e.X)
	}
}

func (b *buildSteps) takesGeneration(l *ast.FuncLit) bool {
	for _, p := range l.Type.Params.List {
		if b.info.Types[p.Type].Type.String() == "*butler/internal/app.generation" {
			return true
		}
	}
	return false
}
