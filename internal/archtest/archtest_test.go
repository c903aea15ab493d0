package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func packages(t *testing.T) []Package {
	t.Helper()
	list, err := List()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 20 {
		t.Fatalf("want the whole module, got %d packages", len(list))
	}
	return list
}

func TestLayers_everyImportIsAllowed(t *testing.T) {
	for _, kind := range []struct {
		of      string
		imports func(Package) []string
		check   func(policy, string, string) string
	}{
		{"", func(p Package) []string { return p.Imports }, policy.check},
		{"tests of ", func(p Package) []string { return slices.Concat(p.TestImports, p.XTestImports) }, policy.checkTest},
	} {
		rules, err := parsePolicy(layers)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range packages(t) {
			if rules.exempt(p.Name()) {
				continue
			}
			for _, imported := range kind.imports(p) {
				dep, ours := strings.CutPrefix(imported, module)
				if !ours {
					continue
				}
				if why := kind.check(rules, p.Name(), dep); why != "" {
					t.Errorf("%s%s must not import %s:\n\t%s", kind.of, p.Name(), dep, why)
				}
			}
		}
	}
}

// exempt packages are test kits and checks: nothing of the product imports them.
func (p policy) exempt(name string) bool {
	return name == "internal/archtest" || strings.HasPrefix(name, "internal/tools") || matchAny(p.words["kits"], name) || strings.HasSuffix(name, "test")
}

func TestLayers_productImportsNoTestKit(t *testing.T) {
	rules, err := parsePolicy(layers)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages(t) {
		if rules.exempt(p.Name()) {
			continue
		}
		for _, imported := range p.Imports {
			if dep, ours := strings.CutPrefix(imported, module); ours && rules.exempt(dep) {
				t.Errorf("%s imports the test kit %s", p.Name(), dep)
			}
		}
	}
}

func TestThirdParty_staysWhereItBelongs(t *testing.T) {
	confined := parseConfinements(thirdParty)
	eachFile(t, func(p Package, name string, file *ast.File) {
		for _, spec := range file.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			for _, c := range confined {
				if strings.HasPrefix(imported, c.prefix) && !c.allows(p.Name(), name) {
					t.Errorf("%s/%s imports %s:\n\t%s", p.Name(), name, imported, c.line)
				}
			}
		}
	})
}

func TestMachines_knowNoRuntimeAndNoClock(t *testing.T) {
	eachFile(t, func(p Package, name string, file *ast.File) {
		if name != "machine.go" && p.Name() != "messages" && !isOfMachine(file) {
			return
		}
		for _, spec := range file.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			for _, forbidden := range []string{"github.com/asynkron", "butler/internal/actorkit", "net", "os"} {
				if imported == forbidden || strings.HasPrefix(imported, forbidden+"/") && imported != "net/netip" {
					t.Errorf("%s/%s imports %s: a machine is pure", p.Name(), name, imported)
				}
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if ok && isIdent(call.X, "time") && slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "Tick"}, call.Sel.Name) {
				t.Errorf("%s/%s uses time.%s: time is an argument here", p.Name(), name, call.Sel.Name)
			}
			return true
		})
	})
}

// isOfMachine reports whether a file holds a part of a machine.
func isOfMachine(file *ast.File) bool {
	return slices.ContainsFunc(file.Decls, func(d ast.Decl) bool {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv == nil {
			return false
		}
		star, ok := f.Recv.List[0].Type.(*ast.StarExpr)
		return ok && (isIdent(star.X, "Machine") || isIdent(star.X, "machine"))
	})
}

func TestPackages_sayWhatTheyOwn(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment", p.Name())
		}
	}
}

func TestPackages_haveNoInit(t *testing.T) {
	eachFile(t, func(p Package, name string, file *ast.File) {
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Name.Name == "init" && f.Recv == nil {
				t.Errorf("%s/%s has an init function", p.Name(), name)
			}
		}
	})
}

func TestMessages_areDocumentedValues(t *testing.T) {
	eachFile(t, func(p Package, name string, file *ast.File) {
		if p.Name() != "messages" {
			return
		}
		for _, decl := range file.Decls {
			general, ok := decl.(*ast.GenDecl)
			if !ok || general.Tok != token.TYPE {
				continue
			}
			for _, spec := range general.Specs {
				typ := spec.(*ast.TypeSpec)
				if general.Doc == nil && typ.Doc == nil {
					t.Errorf("messages/%s: %s has no comment", name, typ.Name.Name)
				}
				checkFields(t, name, typ)
			}
		}
	})
}

// checkFields refuses field types that make a message more than a value.
func checkFields(t *testing.T, file string, typ *ast.TypeSpec) {
	t.Helper()
	structure, ok := typ.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, field := range structure.Fields.List {
		switch field.Type.(type) {
		case *ast.StarExpr, *ast.ChanType, *ast.FuncType, *ast.InterfaceType, *ast.MapType:
			t.Errorf("messages/%s: %s has a field that is no value (%s)", file, typ.Name.Name, reflect.TypeOf(field.Type).Elem().Name())
		case *ast.ArrayType:
			if !strings.Contains(field.Doc.Text(), "rozen") {
				t.Errorf("messages/%s: %s has a slice whose comment does not say frozen", file, typ.Name.Name)
			}
		}
	}
}

func TestDestinations_haveTheirFilesAndAreListed(t *testing.T) {
	list, err := os.ReadFile("../destination/all/all.go")
	if err != nil {
		t.Fatal(err)
	}
	folders, err := filepath.Glob("../destination/*/schema.yaml")
	if err != nil || len(folders) == 0 {
		t.Fatalf("want destination folders, got %d, %v", len(folders), err)
	}
	for _, schema := range folders {
		folder := filepath.Dir(schema)
		name := filepath.Base(folder)
		for _, file := range []string{"README.md", name + ".go", name + "_test.go"} {
			if _, err := os.Stat(filepath.Join(folder, file)); err != nil {
				t.Errorf("destination %s lacks %s", name, file)
			}
		}
		if !strings.Contains(string(list), `"butler/internal/destination/`+name+`"`) {
			t.Errorf("destination %s is not in internal/destination/all", name)
		}
	}
}

func TestMatch_patterns(t *testing.T) {
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"messages", "messages", true},
		{"**", "internal/x", true},
		{"messages", "messages/x", false},
		{"actors/*", "actors/kv", true},
		{"actors/*", "actors/kv/x", false},
		{"api/**", "api", true},
		{"api/**", "api/console", true},
		{"api/**", "apix", false},
		{"actors/**/actor.go", "actors/kv/actor.go", true},
		{"actors/**/actor.go", "actors/kv/machine.go", false},
		{"**/metrics.go", "internal/x/metrics.go", true},
		{"**/metrics.go", "internal/x/other.go", false},
	}
	for _, tt := range tests {
		if got := match(tt.pattern, tt.name); got != tt.want {
			t.Errorf("match(%q, %q): want %v, got %v", tt.pattern, tt.name, tt.want, got)
		}
	}
}

func TestPolicy_findsAViolation(t *testing.T) {
	rules, err := parsePolicy("leaf = internal/qlik\nmessages -> leaf\n")
	if err != nil {
		t.Fatal(err)
	}
	if why := rules.check("messages", "internal/qlik"); why != "" {
		t.Errorf("want the edge allowed, got %q", why)
	}
	for _, edge := range [][2]string{{"messages", "config"}, {"nobody", "internal/qlik"}} {
		if rules.check(edge[0], edge[1]) == "" {
			t.Errorf("want %s -> %s refused", edge[0], edge[1])
		}
	}
}

func TestPolicy_isWiderForTests(t *testing.T) {
	rules, err := parsePolicy("kits = internal/outbox/outboxtest\nactors/* -> messages\ntests of ** -> kits\ntests of actors/* -> supervisors\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, dep := range []string{"actors/kv", "messages", "supervisors", "internal/outbox/outboxtest"} {
		if why := rules.checkTest("actors/kv", dep); why != "" {
			t.Errorf("want a test of actors/kv to have %s, got %q", dep, why)
		}
	}
	if rules.checkTest("actors/kv", "actors/notify") == "" {
		t.Error("want a test of an actor refused another one")
	}
	for _, dep := range []string{"supervisors", "internal/outbox/outboxtest"} {
		if rules.check("actors/kv", dep) == "" {
			t.Errorf("want actors/kv itself refused %s", dep)
		}
	}
}

func TestPolicy_namesWhatExists(t *testing.T) {
	rules, err := parsePolicy(layers)
	if err != nil {
		t.Fatal(err)
	}
	all := packages(t)
	want := func(pattern, line string) {
		if !slices.ContainsFunc(all, func(p Package) bool { return match(pattern, p.Name()) }) {
			t.Errorf("%s: there is no package %s", line, pattern)
		}
	}
	for word, names := range rules.words {
		for _, name := range names {
			want(name, word)
		}
	}
	for _, r := range rules.rules {
		for _, name := range rules.expand(slices.Concat(r.from, r.to)) {
			want(name, r.line)
		}
	}
}

func isIdent(e ast.Expr, name string) bool {
	ident, ok := e.(*ast.Ident)
	return ok && ident.Name == name
}

// eachFile parses every non-test file of the module.
func eachFile(t *testing.T, visit func(p Package, name string, file *ast.File)) {
	t.Helper()
	files := token.NewFileSet()
	for _, p := range packages(t) {
		for _, name := range p.GoFiles {
			file, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			visit(p, name, file)
		}
	}
}
