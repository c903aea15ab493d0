// Package archtest owns the checks of the architecture: which package may
// import which, where third-party modules stay, and the conventions that a
// compiler does not see. They run as tests.
//
// The rules are text (layers.txt, thirdparty.txt), so that a reviewer reads the
// architecture and not its checker. A violation is reported with the rule's line.
package archtest

import (
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"strings"
)

//go:embed layers.txt
var layers string

//go:embed thirdparty.txt
var thirdParty string

// module is the name of this module, the prefix of every import path in it.
const module = "butler/"

// Package is what the go command knows of a package.
type Package struct {
	ImportPath string
	Dir        string
	Doc        string
	GoFiles    []string
	Imports    []string
	// TestImports are those of the tests within the package, XTestImports of those
	// beside it.
	TestImports, XTestImports []string
}

// Name returns the path within the module.
func (p Package) Name() string { return strings.TrimPrefix(p.ImportPath, module) }

// List returns every package of the module.
func List() ([]Package, error) {
	out, err := exec.Command("go", "list", "-tags=peers", "-json=ImportPath,Dir,Doc,GoFiles,Imports,TestImports,XTestImports", module+"...").Output()
	if err != nil {
		return nil, fmt.Errorf("list packages: %w", err)
	}
	var packages []Package
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p Package
		switch err := decoder.Decode(&p); {
		case errors.Is(err, io.EOF):
			return packages, nil
		case err != nil:
			return nil, fmt.Errorf("read the list of packages: %w", err)
		}
		packages = append(packages, p)
	}
}

// rule is one line "from -> to".
type rule struct {
	from, to []string
	// ofTests: the line is about the tests of from.
	ofTests bool
	line    string
}

// policy is the parsed text of layers.txt.
type policy struct {
	words map[string][]string
	rules []rule
}

func parsePolicy(text string) (policy, error) {
	p := policy{words: map[string][]string{}}
	for number, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if from, to, ok := strings.Cut(line, "->"); ok {
			from, ofTests := strings.CutPrefix(from, "tests of ")
			p.rules = append(p.rules, rule{strings.Fields(from), strings.Fields(to), ofTests, fmt.Sprintf("layers.txt:%d: %s", number+1, line)})
			continue
		}
		word, packages, ok := strings.Cut(line, "=")
		if !ok {
			return p, fmt.Errorf("layers.txt:%d: neither a rule nor a definition: %s", number+1, line)
		}
		p.words[strings.TrimSpace(word)] = strings.Fields(packages)
	}
	return p, nil
}

// expand replaces defined words by their packages.
func (p policy) expand(names []string) []string {
	var out []string
	for _, name := range names {
		if packages, ok := p.words[name]; ok {
			out = append(out, packages...)
			continue
		}
		out = append(out, name)
	}
	return out
}

// check returns why pkg may not import dep, or "".
func (p policy) check(pkg, dep string) string { return p.verdict(pkg, dep, false) }

// checkTest returns why a test of pkg may not import dep, or "".
func (p policy) checkTest(pkg, dep string) string {
	if dep == pkg {
		return ""
	}
	return p.verdict(pkg, dep, true)
}

func (p policy) verdict(pkg, dep string, byTest bool) string {
	var applied []string
	for _, r := range p.rules {
		if r.ofTests && !byTest || !matchAny(p.expand(r.from), pkg) {
			continue
		}
		applied = append(applied, r.line)
		if matchAny(p.expand(r.to), dep) {
			return ""
		}
	}
	if len(applied) == 0 {
		return "no rule of layers.txt names the package"
	}
	return strings.Join(applied, "\n\t")
}

func matchAny(patterns []string, name string) bool {
	for _, pattern := range patterns {
		if match(pattern, name) {
			return true
		}
	}
	return false
}

// match compares a package path with a pattern: "**" stands for any number of
// elements, "*" for one.
func match(pattern, name string) bool {
	if pattern == "**" {
		return true
	}
	if rest, ok := strings.CutPrefix(pattern, "**/"); ok {
		base := path.Base(name)
		return base == rest || match(rest, name)
	}
	if prefix, ok := strings.CutSuffix(pattern, "/**"); ok {
		return name == prefix || strings.HasPrefix(name, prefix+"/")
	}
	if before, after, ok := strings.Cut(pattern, "/**/"); ok {
		return strings.HasPrefix(name, before+"/") && path.Base(name) == after
	}
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

// confinement is one line of thirdparty.txt.
type confinement struct {
	prefix string
	places []string
	line   string
}

func parseConfinements(text string) []confinement {
	var out []confinement
	for number, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		prefix, places, _ := strings.Cut(line, " :")
		out = append(out, confinement{strings.TrimSpace(prefix), strings.Fields(places), fmt.Sprintf("thirdparty.txt:%d: %s", number+1, line)})
	}
	return out
}

// allows reports whether a file of a package may import what is confined.
func (c confinement) allows(pkg, file string) bool {
	return matchAny(c.places, pkg) || matchAny(c.places, pkg+"/"+file)
}
