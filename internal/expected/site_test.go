package expected_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/destination"
	"butler/internal/expected"
	"butler/internal/qlik/qrs"
)

// definitions are all custom properties of a repository.
type definitions []qrs.PropertyDefinition

func (d definitions) CustomPropertyDefinitions(_ context.Context, objectType string) ([]qrs.PropertyDefinition, error) {
	return slices.DeleteFunc(slices.Clone(d), func(one qrs.PropertyDefinition) bool { return !slices.Contains(one.ObjectTypes, objectType) }), nil
}

func (d definitions) AllCustomPropertyDefinitions(context.Context) ([]qrs.PropertyDefinition, error) {
	return d, nil
}

var repository = definitions{
	{Name: "Alert", ObjectTypes: []string{"ReloadTask"}, ChoiceValues: []string{"Yes", "No"}},
	{Name: "Account", ObjectTypes: []string{"ReloadTask"}, ChoiceValues: []string{"Finance", "Sales"}},
	{Name: "Free", ObjectTypes: []string{"ReloadTask"}},
	{Name: "Department", ObjectTypes: []string{"App"}},
}

// none reads a configuration without routes.
func none(string, any) error { return nil }

func TestCompare_tellsWhatCannotBeAsItIsExpected(t *testing.T) {
	for name, row := range map[string]struct {
		of           destination.Property
		missing, odd []string
	}{
		"one with a value it can have": {of: destination.Property{Path: "a.b", Name: "Alert", Value: "Yes"}},
		"one that does not exist":      {of: destination.Property{Path: "a.b", Name: "Alarm"}, missing: []string{`a.b: reload tasks have no custom property "Alarm"`}},
		"one of apps alone":            {of: destination.Property{Path: "a.b", Name: "Department"}, missing: []string{`a.b: reload tasks have no custom property "Department"`}},
		"a value it cannot have":       {of: destination.Property{Path: "a.b", Name: "Alert", Value: "yes"}, missing: []string{`a.b: "yes" is no value of the custom property "Alert"`}},
		"values that mean nothing": {
			of:  destination.Property{Path: "a.b", Name: "Account", Values: []string{"Finance"}},
			odd: []string{`a.b: the custom property "Account" offers "Sales", which the configuration does not know`},
		},
		"none to choose from": {
			of:  destination.Property{Path: "a.b", Name: "Free", Values: []string{"Finance"}},
			odd: []string{`a.b: the custom property "Free" offers no values to choose from`},
		},
	} {
		built := destination.Built{Instance: destination.Instance{Properties: []destination.Property{row.of}}}
		used, err := expected.PropertiesOf(none, []destination.Built{built, built}) // two instances may come of one key
		if err != nil {
			t.Fatal(err)
		}
		missing, odd, err := used.Compare(t.Context(), repository)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(row.missing, missing); diff != "" {
			t.Errorf("%s: missing (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(row.odd, odd); diff != "" {
			t.Errorf("%s: odd (-want +got):\n%s", name, diff)
		}
	}
}

func TestProperties_mayBeNone(t *testing.T) {
	used, err := expected.PropertiesOf(none, []destination.Built{{}})
	if err != nil || !used.None() {
		t.Errorf("want none, got %v, %v", used, err)
	}
}
