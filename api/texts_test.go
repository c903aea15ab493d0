package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTextObject_readsWhatLoadScriptsSend(t *testing.T) {
	for name, tt := range map[string]struct {
		body string
		want map[string]any
	}{
		"members":          {`{"key":"k","value":"v","ttl":"600"}`, map[string]any{"key": "k", "value": "v", "ttl": "600"}},
		"space everywhere": {" {\t\"key\"\r\n:  \"a b\" ,\"value\":\"\"\n} ", map[string]any{"key": "a b", "value": ""}},
		"no member":        {"{ }", map[string]any{}},
		"letters":          {`{"nyckel":"Ärende 大"}`, map[string]any{"nyckel": "Ärende 大"}},
		"the last counts":  {`{"key":"a","key":"b"}`, map[string]any{"key": "b"}},
		"signs inside":     {`{"a,b":"{}:,"}`, map[string]any{"a,b": "{}:,"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := textObject([]byte(tt.body))
			if diff := cmp.Diff(tt.want, got); !ok || diff != "" {
				t.Errorf("%s: %t, -want +got:\n%s", tt.body, ok, diff)
			}
		})
	}
}

func TestTextObject_leavesEverythingElseToTheDecoder(t *testing.T) {
	for _, body := range []string{
		"", "{", "}", `""`, `[]`, `{"a"}`, `{"a":}`, `{"a":"b"`, `{"a":"b",}`, `{,"a":"b"}`, `{"a":"b"}}`, `{"a":"b"} x`, `{"a":"b""c":"d"}`,
		`{"a":1}`, `{"a":null}`, `{"a":true}`, `{"a":["b"]}`, `{"a":{"b":"c"}}`, `{"a":"\u0062"}`, `{"a\\b":"c"}`, `{a:"b"}`, `{'a':'b'}`,
		"{\"a\":\"\x01\"}", "{\"a\":\"b\nc\"}", "{\"a\":\"\xff\"}", "\ufeff{}", "\v{}", "{\u00a0}",
	} {
		if got, ok := textObject([]byte(body)); ok {
			t.Errorf("want %q left alone, got %v", body, got)
		}
	}
}

// What is read without the decoder is what the decoder would have read.
func FuzzTextObject(f *testing.F) {
	for _, seed := range []string{`{"key":"k","value":"v"}`, ` { } `, `{"a":"ü","a":"\t"}`, "{\"a\":\"\x7f\"}", `{"":""}`, `{"a":"b"}{}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, ok := textObject(body)
		if !ok {
			return
		}
		want, err := decodeJSON(body)
		if diff := cmp.Diff(want, any(got)); err != nil || diff != "" {
			t.Errorf("%q: %v, -decoder +here:\n%s", body, err, diff)
		}
	})
}
