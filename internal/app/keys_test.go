package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/constant"
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
// feature is off. So every key must decode into a field, and
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
	// swept are the sections whose keys are asked for one by one, whatever they are.
	swept map[string]bool
	// decoded are the types that sections of the configuration are decoded into,
	// by path, with the package that does it.
	decoded map[string]decoded
}

type decoded struct {
	into types.Type
	by   string
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
	s := &source{t: t, fset: token.NewFileSet(), listed: map[string]listedPackage{}, loaded: map[string]*types.Package{}, literals: map[string]bool{}, swept: map[string]bool{}, decoded: map[string]decoded{}}
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
	info := &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{}, Selections: map[*ast.SelectorExpr]*types.Selection{},
		Instances: map[*ast.Ident]types.Instance{},
	}
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
				s.decodes(n, info, path)
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

// decodes notes a call that decodes a section at a constant path, one that asks for the
// keys of a section, and the settings of the destination that a call of Define describes.
func (s *source) decodes(call *ast.CallExpr, info *types.Info, by string) {
	if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Define" {
		if args := info.Instances[f.Sel].TypeArgs; args != nil && args.Len() == 2 {
			s.decoded["settings of "+by] = decoded{into: args.At(1), by: by}
		}
	}
	if f, ok := call.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Below" {
		if section := info.Types[call.Args[0]].Value; section != nil {
			s.swept[constant.StringVal(section)] = true
		}
	}
	if len(call.Args) != 2 {
		return
	}
	into, ok := call.Args[1].(*ast.UnaryExpr)
	if path := info.Types[call.Args[0]].Value; ok && into.Op == token.AND && path != nil && path.Kind() == constant.String {
		s.decoded[constant.StringVal(path)] = decoded{into: info.Types[into.X].Type, by: by}
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
	if list, ok := in.Underlying().(*types.Slice); ok {
		in = list.Elem()
	}
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
	sections := map[string]decoded{"": {into: s.loaded["butler/config"].Scope().Lookup("core").Type()}}
	inPort := map[field]bool{}
	s.reads(inPort, "butler/internal/destination")
	s.reads(inPort, "butler/internal/destination/chat")
	for _, d := range all.Definitions() {
		path := "butler/internal/destination/" + d.Name
		own := maps.Clone(inPort)
		s.reads(own, path)
		reads[path] = own
		sections[d.Section] = decoded{into: s.loaded[path].Scope().Lookup("Config").Type(), by: path}
		if d.Route != "" {
			sections["routes[]."+d.Route] = s.decoded["settings of "+path]
		}
	}
	reads["butler/internal/destination"] = inPort
	reads["butler/internal/app"] = inService
	for path, d := range s.decoded {
		_, known := sections[path]
		_, whole := d.into.Underlying().(*types.Struct)
		if strings.HasPrefix(d.by, "butler/internal/destination") || whole && !known && d.by == "butler/internal/app" {
			sections[path] = d
		}
	}

	keys, err := config.Keys(app.Schemas())
	must(t, err)
	taken := map[field]bool{}
	for _, k := range keys {
		section, path := sectionOf(sections, k.Path)
		at := follow(sections[section].into, path)
		switch {
		case strings.HasPrefix(k.Doc, "Accepted"), path == "":
		case at == nil && (s.literals[k.Path] || s.swept[topOf(k.Path)]): // a rule asks for it by its name
		case at == nil:
			t.Errorf("%s: no field takes it; read it, or remove it", k.Path)
		case !reads[sections[section].by][s.field(at)]:
			t.Errorf("%s: nobody reads the field %s; read it, or remove it", k.Path, at.Name())
		default:
			taken[s.field(at)] = true
		}
	}
	for section, d := range sections {
		fields(d.into, func(v *types.Var) {
			if _, leads := v.Type().Underlying().(*types.Struct); !leads && !taken[s.field(v)] && !ours[v.Name()] {
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

// topOf returns the topmost section that a key lies in.
func topOf(key string) string {
	section, _, _ := strings.Cut(key, ".")
	return section
}

// ours are fields of a decoded section that are worked out, not read.
var ours = map[string]bool{"Kinds": true}

// sectionOf returns the innermost decoded section that a key lies in, and its
// path below that.
func sectionOf(sections map[string]decoded, key string) (section, path string) {
	for s := range sections {
		rest, found := strings.CutPrefix(key, s)
		rest, inItem := strings.CutPrefix(rest, "[]")
		rest, below := strings.CutPrefix(rest, ".")
		if s != "" && found && len(s) > len(section) && (rest == "" || below || inItem && below) {
			section, path = s, rest
		}
	}
	if section == "" {
		return "", key
	}
	return section, path
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
