package destinationtest

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const keys = `
- {key: top.enable, type: bool, default: false, doc: x}
- {key: top.wait, type: duration, default: 5s, doc: x}
- {key: top.new.name, type: str, default: none, doc: x}
- {key: top.old, type: str, alias: top.new.name, doc: x}
- {key: top.free, type: section, extra: true, doc: x}
- {key: top.list, type: list, of: object, doc: x}
- {key: "top.list[].id", type: int, default: 7, doc: x}
- {key: "top.list[].tags", type: list, of: str, doc: x}
`

type keysConfig struct {
	Enable bool
	Wait   time.Duration
	New    struct{ Name string }
	List   []struct {
		ID   int
		Tags []string
	}
}

func TestDecoder_readsAsTheProgramDoes(t *testing.T) {
	type item = struct {
		ID   int
		Tags []string
	}
	rows := map[string]struct {
		text string
		want keysConfig
	}{
		"defaults":          {"{}", keysConfig{Wait: 5 * time.Second, New: struct{ Name string }{"none"}, List: []item{}}},
		"root and any case": {"{BUTLER: {Top: {ENABLE: true}}}", keysConfig{Enable: true, Wait: 5 * time.Second, New: struct{ Name string }{"none"}, List: []item{}}},
		"alias":             {"{top: {old: x}}", keysConfig{Wait: 5 * time.Second, New: struct{ Name string }{"x"}, List: []item{}}},
		"alias behind key":  {"{top: {old: x, new: {name: y}}}", keysConfig{Wait: 5 * time.Second, New: struct{ Name string }{"y"}, List: []item{}}},
		"items":             {"{top: {wait: 2m, list: [{}, {id: 1, tags: [a]}], free: {any: 1}}}", keysConfig{Wait: 2 * time.Minute, New: struct{ Name string }{"none"}, List: []item{{ID: 7}, {ID: 1, Tags: []string{"a"}}}}},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			var got keysConfig
			if err := Decoder(row.text, []byte(keys))("top", &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecoder_refusesWhatTheSchemaDoesNotKnow(t *testing.T) {
	for text, want := range map[string]string{
		"{top: {enabled: true}}":     "top.enabled is not in the schema",
		"{top: {list: [{name: x}]}}": "top.list[0].name is not in the schema",
		"{top: {new: x}}":            "top.new holds x",
		"{top: [":                    "parse the sample configuration",
	} {
		if err := Decoder(text, []byte(keys))("top", &keysConfig{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}
