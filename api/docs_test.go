package api

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	diff "github.com/google/go-cmp/cmp"

	"butler/api/openapi"
	"butler/config"
)

//go:generate go test -run TestDocs -count 1 . -update

var update = flag.Bool("update", false, "rewrite the list of calls in docs/rest.md")

// everyCall is the part of docs/rest.md that is generated.
var everyCall = regexp.MustCompile(`(?s)(<!-- calls: generated -->\n).*(<!-- end of calls -->)`)

func TestDocs_everyCallIsInTheHandbook(t *testing.T) {
	document, err := openapi.Read()
	if err != nil {
		t.Fatal(err)
	}
	var table, details strings.Builder
	table.WriteString("\n| Call | What it does | Enabled by | Scope |\n|---|---|---|---|\n")
	operations := document.Operations()
	for _, o := range operations {
		fmt.Fprintf(&table, "| `%s %s` | %s | `%s` | `%s` |\n", o.Method, o.Path, o.Summary, enabling(t, o), scopeOf(t, o))
		if o.Begins {
			fmt.Fprintf(&details, "\n### Calls: %s\n", o.Tag)
		}
		if o.Summary != "The same as PUT" {
			describe(&details, o)
		}
	}
	if len(operations) != len((&rest{}).endpoints()) {
		t.Errorf("want a call for each of the %d endpoints, got %d", len((&rest{}).endpoints()), len(operations))
	}
	page, err := os.ReadFile("../docs/rest.md")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(page), "\r\n", "\n")
	if !everyCall.MatchString(text) {
		t.Fatal("want the marks of the generated part in docs/rest.md")
	}
	want := everyCall.ReplaceAllString(text, "${1}"+strings.ReplaceAll(table.String()+details.String(), "$", "$$")+"\n${2}")
	if *update {
		if err := os.WriteFile("../docs/rest.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := diff.Diff(text, want); d != "" {
		t.Errorf("docs/rest.md is out of date, see `make generate` (-want +got):\n%s", d)
	}
}

// scopeOf returns what a caller needs.
func scopeOf(t *testing.T, o openapi.Operation) string {
	t.Helper()
	for _, e := range (&rest{}).endpoints() {
		if e.method == o.Method && e.path == o.Path {
			return string(e.scope)
		}
	}
	t.Errorf("want an endpoint for %s %s", o.Method, o.Path)
	return ""
}

// enabling returns the key below restServerEndpointsEnable that enables a call.
func enabling(t *testing.T, o openapi.Operation) string {
	t.Helper()
	keys, err := config.Keys(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		path, below := strings.CutPrefix(k.Path, "restServerEndpointsEnable.")
		if below && (path == o.EnabledBy || strings.HasSuffix(path, "."+o.EnabledBy)) {
			return path
		}
	}
	t.Errorf("want a key that enables %s %s", o.Method, o.Path)
	return ""
}

// describe writes what a call takes and what it answers.
func describe(out *strings.Builder, o openapi.Operation) {
	text := strings.Join(strings.Fields(strings.TrimRight(o.Summary, "?")+". "+o.Description), " ")
	fmt.Fprintf(out, "\n**`%s %s`** - %s\n\n", o.Method, o.Path, text)
	for _, p := range o.Parameters {
		must := ""
		if p.Required {
			must = ", required"
		}
		fmt.Fprintf(out, "- %s\n", strings.TrimSuffix(fmt.Sprintf("`%s` (%s%s): %s", p.Name, p.In, must, p.Description), ": "))
	}
	if o.Body != "" {
		fmt.Fprintf(out, "- Body, for example `%s`\n", o.Body)
	}
	var failures []string
	for _, a := range o.Answers {
		if slices.Contains([]byte{'2', '3'}, a.Status[0]) {
			fmt.Fprintf(out, "- %s: %s\n", a.Status, strings.Join(strings.Fields(a.Description), " "))
		} else {
			failures = append(failures, a.Status)
		}
	}
	fmt.Fprintf(out, "- Errors: %s\n", strings.Join(failures, ", "))
}
