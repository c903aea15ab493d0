package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"butler/config"
	"butler/internal/app"
	"butler/internal/destination/all"
)

// A key without effect is worse than an unknown one: nobody learns that the
// feature is off. So every key that is not pending must decode into a field, and
// some code must read that field. A key that is honestly without effect says so:
// its description begins with "Accepted".

// source type-checks packages of this module and knows which struct fields they read.
type source struct {
	t      *testing.T
	fset   *token.FileSet
	listed map[string]listedPackage
	load   types.Importer
	loaded map[string]*types.Package
	// literals are the texts that the packages write down.
	literals map[string]bool
}

type listedPackage struct {
	ImportPath, Export, Dir string
	GoFiles                 []string
}

// field names a struct field, whether it was read from source or from compiled code.
type field string

func (s *source) field(v *types.Var) field {
	at := s.fset.Position(v.Pos())
	return field(fmt.Sprintf("%s:%d:%s", filepath.Base(at.Filename), at.Line, v.Name()))
}

func newSource(t *testing.T, patterns ...string) *source {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-export", "-deps", "-json=ImportPath,Export,Dir,GoFiles"}, patterns...)...)
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	must(t, err)
	s := &source{t: t, fset: token.NewFileSet(), listed: map[string]listedPackage{}, loaded: map[string]*types.Package{}, literals: map[string]bool{}}
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p listedPackage
		must(t, dec.Decode(&p))
		s.listed[p.ImportPath] = p
	}
	s.load = importer.ForCompiler(s.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(s.listed[path].Export) })
	return s
}

// reads type-checks a package and adds the fields that it reads outside of the excepted files.
func (s *source) reads(into map[field]bool, path string, except ...string) {
	s.t.Helper()
	var files []*ast.File
	for _, name := range s.listed[path].GoFiles {
		f, err := parser.ParseFile(s.fset, filepath.Join(s.listed[path].Dir, name), nil, parser.SkipObjectResolution)
		must(s.t, err)
		files = append(files, f)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Selections: map[*ast.SelectorExpr]*types.Selection{}}
	checked, err := (&types.Config{Importer: s.load}).Check(path, s.fset, files, info)
	must(s.t, err)
	s.loaded[path] = checked
	for _, f := range files {
		if strings.Contains(strings.Join(except, " "), filepath.Base(s.fset.Position(f.Pos()).Filename)) {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.SelectorExpr:
				if selected := info.Selections[n]; selected != nil && selected.Kind() == types.FieldVal {
					into[s.field(selected.Obj().(*types.Var))] = true
				}
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil {
					s.literals[text] = true
				}
			case *ast.CallExpr: // a conversion of a whole struct reads all of it
				if len(n.Args) == 1 && info.Types[n.Fun].IsType() {
					if whole, ok := info.Types[n.Args[0]].Type.Underlying().(*types.Struct); ok {
						for v := range whole.Fields() {
							into[s.field(v)] = true
						}
					}
				}
			}
			return true
		})
	}
}

// find returns the field that the configuration decodes a key into, nil when there is none.
func find(in types.Type, name string) *types.Var {
	whole, ok := in.Underlying().(*types.Struct)
	if !ok {
		return nil
	}
	for i := range whole.NumFields() {
		v := whole.Field(i)
		called, option, _ := strings.Cut(reflect.StructTag(whole.Tag(i)).Get("mapstructure"), ",")
		switch {
		case option == "squash":
			if found := find(v.Type(), name); found != nil {
				return found
			}
		case called == "" && strings.EqualFold(v.Name(), name), strings.EqualFold(called, name):
			return v
		}
	}
	return nil
}

// follow returns the field at the end of a path of keys.
func follow(in types.Type, path string) *types.Var {
	var at *types.Var
	for name := range strings.SplitSeq(path, ".") {
		name, item := strings.CutSuffix(name, "[]")
		if at = find(in, name); at == nil {
			return nil
		}
		in = at.Type()
		if list, ok := in.Underlying().(*types.Slice); item && ok {
			in = list.Elem()
		}
	}
	return at
}

// fields yields every exported field below a type that its own package declares.
func fields(in types.Type, yield func(*types.Var)) {
	if list, ok := in.Underlying().(*types.Slice); ok {
		in = list.Elem()
	}
	if whole, ok := in.Underlying().(*types.Struct); ok {
		for v := range whole.Fields() {
			if v.Exported() {
				yield(v)
				fields(v.Type(), yield)
			}
		}
	}
}

func TestKeys_everyOneIsReadOrSaysThatItIsNot(t *testing.T) {
	s := newSource(t, "./internal/app", "./cmd/butler")
	inService := map[field]bool{}
	s.reads(inService, "butler/internal/app")
	s.reads(inService, "butler/cmd/butler")
	s.reads(inService, "butler/config", "config.go") // which hands the sections out
	reads := map[string]map[field]bool{"": maps.Clone(inService)}
	s.reads(reads[""], "butler/config")
	sections := map[string]types.Type{"": s.loaded["butler/config"].Scope().Lookup("core").Type()}
	for _, d := range all.Definitions() {
		path := "butler/internal/destination/" + d.Name
		reads[d.Section] = map[field]bool{}
		s.reads(reads[d.Section], path)
		sections[d.Section] = s.loaded[path].Scope().Lookup("Config").Type()
	}

	keys, err := config.Keys(app.Schemas())
	must(t, err)
	decoded := map[field]bool{}
	for _, k := range keys {
		section, path := "", k.Path
		if sections[k.Section] != nil {
			section, path = k.Section, strings.TrimPrefix(k.Path, k.Section+".")
		}
		at := follow(sections[section], path)
		switch {
		case strings.HasPrefix(k.Doc, "Accepted"):
		case at == nil && s.literals[k.Path]: // a rule asks for it by its name
		case at == nil:
			t.Errorf("%s: no field takes it; read it, or move it to pending.yaml", k.Path)
		case !reads[section][s.field(at)]:
			t.Errorf("%s: nobody reads the field %s; read it, or move it to pending.yaml", k.Path, at.Name())
		default:
			decoded[s.field(at)] = true
		}
	}
	for section, in := range sections {
		fields(in, func(v *types.Var) {
			if _, leads := v.Type().Underlying().(*types.Struct); !leads && !decoded[s.field(v)] {
				t.Errorf("section %q: no key is decoded into the field %s", section, v.Name())
			}
		})
	}
	for _, v := range s.handedOut() {
		if !inService[s.field(v)] {
			t.Errorf("config/sections.go: nobody reads the field %s", v.Name())
		}
	}
}

// handedOut lists the fields of all sections that package config gives to others.
func (s *source) handedOut() []*types.Var {
	var out []*types.Var
	scope := s.loaded["butler/config"].Scope()
	for _, name := range scope.Names() {
		object, isType := scope.Lookup(name).(*types.TypeName)
		if isType && object.Exported() && filepath.Base(s.fset.Position(object.Pos()).Filename) == "sections.go" {
			fields(object.Type(), func(v *types.Var) { out = append(out, v) })
		}
	}
	return out
}
