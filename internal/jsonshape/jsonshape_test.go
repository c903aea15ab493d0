package jsonshape_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"butler/internal/jsonshape"
)

func TestMismatch_tellsKindsAndNoContent(t *testing.T) {
	type document struct {
		Text   string
		Whole  int
		Ratio  float64
		On     bool
		List   []string
		Map    map[string]string
		Inside struct{ Code int8 } `json:"inside"`
	}
	for body, want := range map[string]string{
		`[]`:                         "a JSON array where an object is wanted",
		`{"Text":5}`:                 "a JSON number at Text where text is wanted",
		`{"Whole":"secret"}`:         "a JSON string at Whole where a whole number is wanted",
		`{"Whole":1.5}`:              "a JSON number at Whole where a whole number is wanted",
		`{"Ratio":true}`:             "a JSON bool at Ratio where a number is wanted",
		`{"On":"yes"}`:               "a JSON string at On where true or false is wanted",
		`{"List":{}}`:                "a JSON object at List where a list is wanted",
		`{"Map":[]}`:                 "a JSON array at Map where an object is wanted",
		`{"inside":{"Code":987654}}`: "a JSON number at inside.Code where a whole number is wanted",
	} {
		err := json.Unmarshal([]byte(body), &document{})
		got, whole, ok := jsonshape.Mismatch(fmt.Errorf("read: %w", err))
		if got != want || whole != (body == "[]") || !ok {
			t.Errorf("%s: want %q, got %q, %v, %v", body, want, got, whole, ok)
		}
	}
	if got, _, ok := jsonshape.Mismatch(errors.New("cut off")); ok {
		t.Errorf("want nothing said of another error, got %q", got)
	}
}
