package qrs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The documents without their readers, in the same fields.
type (
	taggedTask    taskDoc
	taggedApp     appDoc
	taggedOutcome outcomeDoc
)

// compareAll reads a list as every kind of documents that read themselves, and as
// encoding/json reads their fields.
func compareAll(t *testing.T, raw []byte) {
	t.Helper()
	compareBoth(t, raw, func(d taggedTask) taskDoc { return taskDoc(d) })
	compareBoth(t, raw, func(d taggedApp) appDoc { return appDoc(d) })
	compareBoth(t, raw, func(d taggedOutcome) outcomeDoc { return outcomeDoc(d) })
}

func compareBoth[Tagged, T any](t *testing.T, raw []byte, untagged func(Tagged) T) {
	t.Helper()
	var got, want []T
	err := decodeList(raw, func(d T) error { got = append(got, d); return nil })
	wantErr := decodeList(raw, func(d Tagged) error { want = append(want, untagged(d)); return nil })
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("%s\n%T reading itself: %v, by the tags: %v", raw, got, err, wantErr)
	}
	if err == nil && !reflect.DeepEqual(want, got) {
		t.Errorf("%s\n%T by the tags: %+v\nreading itself: %+v", raw, got, want, got)
	}
}

// documents that are not as usual.
var oddDocuments = []string{
	`[]`, `[null]`, `[{}]`, `[1]`, `[[]]`, `[{"id":"a"},{"id":"b"}] behind`, `[{"id":"a"}`, `[{"id":"a"},]`, `[{"id":"a",}]`, `[{"id" "a"}]`,
	`[{"ID":"a","Name":"b"}]`, `[{"\u0069d":"a","name":"\u00e5\n\ud83e\udd2a"}]`, `[{"id":1.5e-3,"name":true,"operational":[]}]`,
	`[{"id":"a","operational":null}]`, `[{"id":"a","operational":{"lastExecutionResult":null}}]`, `[{"id":"a","operational":{"lastExecutionResult":7}}]`,
	`[{"id":"a","operational":{"lastExecutionResult":{"status":"8","duration":"soon","details":[1,"two",{"message":"three"},null]}}}]`,
	`[{"id":"a","operational":{"lastExecutionResult":{"details":{"a":[{}]},"scriptLogAvailable":true,"scriptLogSize":null}}}]`,
	`[{"id":"a","id":"b","operational":{"nextExecution":"x"},"operational":{"lastExecutionResult":{"id":"c"}}}]`,
	`[{"id":01}]`, `[{"id":-}]`, `[{"id":1.}]`, `[{"id":1e}]`, `[{"id":nul}]`, `[{"id":"\x"}]`, `[{"id":"\u00g0"}]`, "[{\"id\":\"a\nb\"}]", `[{"id":"a`, `[{"id":"\`,
	`[{"taskType":"3","TAGS":[{"name":"a"},null,7,{"NAME":["b"],"id":1}],"tags":[{"id":"c"}],"isPartialReload":"true","IsManuallyTriggered":true}]`,
	`[{"tags":{"name":"a"},"customProperties":[{"value":1,"definition":{"name":"n"}},{"definition":null},[],{"definition":"n","value":{}}]}]`,
	`[{"app":null,"maxRetries":"2","taskSessionTimeout":1e3,"modifiedByUserName":false,"modifiedDate":[]},{"app":{"id":"a"},"app":{"name":"b"}}]`,
	`[{"stream":{"id":"s","name":"t"},"owner":"o","published":true,"publishTime":"p","fileSize":-1,"description":"d","lastReloadTime":0}]`,
	"[{\"id\":\"\xff\"}]", `{"id":"a"}`, `null`, ``, ` `, `[`, `]`,
}

// samples are documents as the QRS writes them, as a list each.
func samples(tb testing.TB) [][]byte {
	tb.Helper()
	return [][]byte{
		sample(tb, "task_full.json"), sample(tb, "app_full.json"), fmt.Appendf(nil, "[%s]", sample(tb, "reloadtask.json")),
	}
}

func TestReading_findsWhatTheTagsSay(t *testing.T) {
	for _, raw := range samples(t) {
		compareAll(t, raw)
	}
	for _, raw := range oddDocuments {
		compareAll(t, []byte(raw))
	}
}

func TestCursor_knowsJSON(t *testing.T) {
	deep := strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth)
	for _, raw := range append(oddDocuments, deep, "["+deep+"]", `"\/\b\f\r\t"`, `-0.1E+9`, `{"a":{},"b":[ ]}`) {
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

func FuzzReading(f *testing.F) {
	for _, raw := range samples(f) {
		f.Add(raw)
	}
	for _, raw := range oddDocuments {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		checkCursor(t, raw)
		compareAll(t, raw)
	})
}

func BenchmarkReading(b *testing.B) {
	one := bytes.Trim(sample(b, "task_full.json"), "[] \n")
	raw := fmt.Appendf(nil, "[%s]", bytes.Join(slices.Repeat([][]byte{one}, 50), []byte(",")))
	b.Run("itself", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = decodeList(raw, func(taskDoc) error { return nil })
		}
	})
	b.Run("by tags", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = decodeList(raw, func(taggedTask) error { return nil })
		}
	})
}
