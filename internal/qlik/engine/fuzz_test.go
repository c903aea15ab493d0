package engine

import (
	"encoding/json"
	"testing"
)

// FuzzParse gives a session one message of an engine and reads it as each answer
// of a dump: whatever it says, what would be written of it is JSON.
func FuzzParse(f *testing.F) {
	client := &Client{address: "engine:4747", options: Options{MaxMessage: 1 << 16}}
	f.Fuzz(func(t *testing.T, text []byte) {
		message, err := parse(text)
		if err != nil {
			return
		}
		s := &session{client: client, waiting: map[string]string{"1": "GetLayout", "2": "GetScript"}, early: map[string]answer{}}
		if s.sort("1", message) != nil {
			return
		}
		found, ok := s.early["1"]
		if len(s.early) > 1 || ok && s.kept != found.size() {
			t.Fatalf("kept %d bytes of %d answers", s.kept, len(s.early))
		}
		result, err := s.result("GetLayout", found)
		if !ok || err != nil {
			return
		}
		_, _ = s.handleOf("GetObject", result)
		for _, section := range sections() {
			path := append(append([]string{"qLayout"}, section.path...), "qItems")
			if section.definition == nil {
				path = []string{"qConnections"}
			}
			items, _ := section.read(s, "GetLayout", result, path...)
			for _, item := range items {
				wantJSON(t, item.raw)
			}
		}
		if value, err := s.member("GetProperties", result, "qProp"); err == nil {
			wantJSON(t, value)
			if out, err := s.with(value, map[string]json.RawMessage{"qData": value}); err == nil {
				wantJSON(t, out)
			}
		}
	})
}

func wantJSON(t *testing.T, raw json.RawMessage) {
	t.Helper()
	if !json.Valid(raw) {
		t.Fatalf("no JSON: %q", raw)
	}
}
