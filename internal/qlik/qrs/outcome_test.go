package qrs

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// taggedDoc is an outcomeDoc that does not read itself.
type taggedDoc struct {
	entityDoc
	Operational operationalDoc `json:"operational"`
}

// both returns the outcomes of a list as they read themselves and as encoding/json reads them.
func both(raw []byte) (themselves, byTags []outcomeDoc, errThemselves, errByTags error) {
	errThemselves = decodeList(raw, func(d outcomeDoc) error { themselves = append(themselves, d); return nil })
	errByTags = decodeList(raw, func(d taggedDoc) error { byTags = append(byTags, outcomeDoc(d)); return nil })
	return themselves, byTags, errThemselves, errByTags
}

func compareBoth(t *testing.T, raw []byte) {
	t.Helper()
	got, want, err, wantErr := both(raw)
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%s\nreading itself: %v, by the tags: %v", raw, err, wantErr)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(outcomeDoc{}, entityDoc{}, integer{})); err == nil && diff != "" {
		t.Errorf("%s\n(-by the tags +reading itself):\n%s", raw, diff)
	}
}

// outcomes that are not as usual.
var oddOutcomes = []string{
	`[]`, `[null]`, `[{}]`, `[1]`, `[[]]`, `[{"id":"a"},{"id":"b"}] behind`, `[{"id":"a"}`, `[{"id":"a"},]`, `[{"id":"a",}]`, `[{"id" "a"}]`,
	`[{"ID":"a","Name":"b"}]`, `[{"\u0069d":"a","name":"\u00e5\n\ud83e\udd2a"}]`, `[{"id":1.5e-3,"name":true,"operational":[]}]`,
	`[{"id":"a","operational":null}]`, `[{"id":"a","operational":{"lastExecutionResult":null}}]`, `[{"id":"a","operational":{"lastExecutionResult":7}}]`,
	`[{"id":"a","operational":{"lastExecutionResult":{"status":"8","duration":"soon","details":[1,"two",{"message":"three"},null]}}}]`,
	`[{"id":"a","operational":{"lastExecutionResult":{"details":{"a":[{}]},"scriptLogAvailable":true,"scriptLogSize":null}}}]`,
	`[{"id":"a","id":"b","operational":{"nextExecution":"x"},"operational":{"lastExecutionResult":{"id":"c"}}}]`,
	`[{"id":01}]`, `[{"id":-}]`, `[{"id":1.}]`, `[{"id":1e}]`, `[{"id":nul}]`, `[{"id":"\x"}]`, `[{"id":"\u00g0"}]`, "[{\"id\":\"a\nb\"}]", `[{"id":"a`, `[{"id":"\`,
	"[{\"id\":\"\xff\"}]", `{"id":"a"}`, `null`, ``, ` `, `[`, `]`,
}

func TestOutcome_readsItselfAsItsTagsSay(t *testing.T) {
	compareBoth(t, fmt.Appendf(nil, "[%s]", sample(t, "reloadtask.json")))
	for _, raw := range oddOutcomes {
		compareBoth(t, []byte(raw))
	}
}

func TestCursor_knowsJSON(t *testing.T) {
	deep := strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth)
	for _, raw := range append(oddOutcomes, deep, "["+deep+"]", `"\/\b\f\r\t"`, `-0.1E+9`, `{"a":{},"b":[ ]}`) {
		checkCursor(t, []byte(raw))
	}
}

// checkCursor compares with encoding/json what is JSON.
func checkCursor(t *testing.T, raw []byte) {
	t.Helper()
	c := cursor{text: raw}
	c.value()
	if got, want := !c.bad && c.next() == 0 && c.at == len(raw), json.Valid(raw); got != want {
		t.Errorf("%.200q is JSON: %v, want %v", raw, got, want)
	}
}

func FuzzOutcome(f *testing.F) {
	f.Add(fmt.Appendf(nil, "[%s]", sample(f, "reloadtask.json")))
	for _, raw := range oddOutcomes {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		checkCursor(t, raw)
		compareBoth(t, raw)
	})
}

func BenchmarkOutcome(b *testing.B) {
	raw := fmt.Appendf(nil, "[%s]", strings.Repeat(string(sample(b, "reloadtask.json"))+",", 49)+string(sample(b, "reloadtask.json")))
	b.Run("itself", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = decodeList(raw, func(outcomeDoc) error { return nil })
		}
	})
	b.Run("by tags", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = decodeList(raw, func(taggedDoc) error { return nil })
		}
	})
}
