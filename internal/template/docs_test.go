package template_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/destination/destinationtest"
	"butler/internal/template/handlebars"
	"butler/internal/text"
	"butler/messages"
)

//go:generate go test -run TestDocs -count 1 . -update

// maxSample is how many characters of a sample the page shows.
const maxSample = 100

func TestDocs_thePageOfTemplatesHasEveryField(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "templates.md")
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(string(old), "\r\n", "\n")
	const first = "\n### Every alert\n"
	written, _, _ := strings.Cut(page, first)
	want := written + first + fieldTables()
	if destinationtest.Updating() {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(page, want); diff != "" {
		t.Errorf("docs/templates.md is out of date, see `make generate` (-want +got):\n%s", diff)
	}
}

// fieldTables describes the fields of every kind of alert, first those that all have.
func fieldTables() string {
	groups := []struct {
		title string
		kind  messages.AlertKind
	}{
		{"Tasks", messages.ReloadTaskFailed},
		{"Windows services", messages.ServiceStopped},
		{"The server licence", messages.LicenseStatus},
		{"Reloads in Qlik Cloud", messages.CloudReloadFailed},
	}
	fields := make([]map[string]any, len(groups))
	shared := map[string]any{}
	for i, group := range groups {
		alert := destinationtest.Complete(group.kind)
		if len(alert.ScriptLog.Tail) > 0 {
			alert.ScriptLog.Tail = append(slices.Clone(alert.ScriptLog.Tail), "2026-05-06 14:21:00      Error: Field 'Amount' not found")
		}
		fields[i] = fieldsOf(alert)
	}
	for name, value := range fields[0] {
		everywhere := true
		for _, other := range fields {
			_, ok := other[name]
			everywhere = everywhere && ok
		}
		if everywhere {
			shared[name] = value
		}
	}
	var out strings.Builder
	table(&out, shared, nil)
	for i, group := range groups {
		fmt.Fprintf(&out, "\n### %s\n", group.title)
		table(&out, fields[i], shared)
	}
	return out.String()
}

// table lists the fields that are not in known.
func table(out *strings.Builder, fields, known map[string]any) {
	out.WriteString("\n| Field | Sample |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if _, ok := known[name]; !ok {
			fmt.Fprintf(out, "| `%s` | %s |\n", name, sample(fields[name]))
		}
	}
}

// sample is a value in a cell of a table.
func sample(value any) string {
	if named, ok := value.(handlebars.Named); ok {
		value = named.Fields
	}
	var raw bytes.Buffer
	encoder := json.NewEncoder(&raw)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic("BUG: a field is no JSON: " + err.Error())
	}
	shown := strings.Trim(strings.TrimSpace(raw.String()), `"`)
	if cut := text.Shorten(shown, maxSample); cut != shown {
		shown = cut + "..."
	}
	if shown == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(shown, "|", `\|`) + "`"
}
