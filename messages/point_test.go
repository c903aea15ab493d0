package messages

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPoint_omitsMissingValues(t *testing.T) {
	got := Point{}.Tag("host", "a").Number("n", 0.5).Number("nan", math.NaN()).Number("inf", math.Inf(1)).Text("t", "x").Text("none", "").Truth("off", false)
	want := Point{
		Tags:   []Property{{Name: "host", Value: "a"}},
		Fields: []Field{{Name: "n", Type: NumberField, Number: 0.5}, {Name: "t", Type: TextField, Text: "x"}, {Name: "off", Type: TruthField}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	text, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var back Point
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, back); diff != "" {
		t.Errorf("what is recorded differs (-want +got):\n%s", diff)
	}
}

func TestPoint_copiesAreIndependent(t *testing.T) {
	base := Point{}.Tag("a", "1").Tag("b", "2").Tag("c", "3").Number("n", 1).Number("m", 2).Number("o", 3)
	one, two := base.Tag("d", "one").Text("t", "one"), base.Tag("d", "two").Text("t", "two")
	if one.Tags[3].Value != "one" || two.Tags[3].Value != "two" || one.Fields[3].Text != "one" || two.Fields[3].Text != "two" {
		t.Errorf("two points share their values: %+v and %+v", one, two)
	}
}
