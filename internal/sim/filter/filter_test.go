package filter_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/sim/filter"
)

type tag struct {
	Name string `json:"name"`
}

type definition struct {
	Name string `json:"name"`
}

type property struct {
	Value      string     `json:"value"`
	Definition definition `json:"definition"`
}

type result struct {
	Status   int   `json:"status"`
	Duration int64 `json:"duration"`
}

type document struct {
	ID               string     `json:"id"`
	Name             string     `json:"name"`
	Enabled          bool       `json:"enabled"`
	TaskType         int        `json:"taskType"`
	Ratio            float64    `json:"ratio"`
	LastUsed         string     `json:"lastUsed"`
	ObjectTypes      []string   `json:"objectTypes"`
	Tags             []tag      `json:"tags"`
	CustomProperties []property `json:"customProperties"`
	Last             *result    `json:"last,omitempty"`
	Secret           string     `json:"-"`
}

func sample() *document {
	return &document{
		ID: "f1e2d3c4-b5a6-7890-1234-567890abcdef", Name: "O'Brien's R&D (100%)", Enabled: true, TaskType: 3, Ratio: 1.5,
		LastUsed:    "2025-11-02T08:15:00.000Z",
		ObjectTypes: []string{"App", "ReloadTask"},
		Tags:        []tag{{"Production"}, {"not or and"}},
		CustomProperties: []property{
			{"Yes", definition{"Mail"}},
			{"ops@example.com", definition{"Address"}},
		},
		Last: &result{Status: 7, Duration: 225000},
	}
}

func TestFilter_matches(t *testing.T) {
	tests := []struct {
		text string
		want bool
	}{
		{"", true},
		{"  ", true},
		{"id eq f1e2d3c4-b5a6-7890-1234-567890abcdef", true},
		{"id eq F1E2D3C4-B5A6-7890-1234-567890ABCDEF", true},
		{"id eq 'f1e2d3c4-b5a6-7890-1234-567890abcdef'", true},
		{"ID EQ f1e2d3c4-b5a6-7890-1234-567890abcdef", true},
		{"id eq 00000000-0000-0000-0000-000000000000", false},
		{"id ne 00000000-0000-0000-0000-000000000000", true},
		{"name eq 'O''Brien''s R&D (100%)'", true},
		{"name eq 'o''brien''s r&d (100%)'", false},
		{"name sw 'O'''", true},
		{"name ew '(100%)'", true},
		{"name so 'R&D'", true},
		{"name so 'R and D'", false},
		{"name gt 'A' and name lt 'Z'", true},
		{"name ge 'P'", false},
		{"enabled eq true", true},
		{"enabled eq False", false},
		{"enabled ne false", true},
		{"taskType eq 3", true},
		{"taskType gt 2 and taskType le 3", true},
		{"taskType lt 3 or taskType ge 4", false},
		{"ratio eq 1.5", true},
		{"ratio lt -2", false},
		{"lastUsed le '2025-11-02T08:15:00.000Z'", true},
		{"lastUsed lt '2025-11-02T08:15:00.000Z'", false},
		{"lastUsed le '2025-11-02T09:15:00+01:00'", true},
		{"lastUsed gt 2025-11-01", true},
		{"lastUsed ge '2026-01-01'", false},
		{"objectTypes eq 'ReloadTask'", true},
		{"objectTypes eq 'reloadtask'", false},
		{"objectTypes ne 'App'", false},
		{"objectTypes ne 'Stream'", true},
		{"tags.name eq 'Production'", true},
		{"tags.name eq 'not or and'", true},
		{"tags.name eq 'Prod'", false},
		{"customProperties.definition.name eq 'Mail' and customProperties.value eq 'Yes'", true},
		// Each condition on its own: the two values belong to different properties.
		{"customProperties.definition.name eq 'Mail' and customProperties.value eq 'ops@example.com'", true},
		{"(customProperties.definition.name eq 'Mail') and (customProperties.value eq 'No')", false},
		{"@Mail eq 'Yes'", true},
		{"@Mail eq 'ops@example.com'", false},
		{"@Nothing ne 'Yes'", false},
		{"last.status eq 7", true},
		{"Last.Duration ge 225000", true},
		{"not enabled eq true", false},
		{"not not enabled eq true", true},
		{"not (taskType eq 1 or taskType eq 2)", true},
		{"taskType eq 1 or taskType eq 3 and enabled eq false", false},
		{"taskType eq 3 or taskType eq 1 and enabled eq false", true},
		{"(taskType eq 3 or taskType eq 1) and enabled eq false", false},
		{"((((taskType eq 3))))", true},
		{"taskType\teq\r\n3", true},
		{"(taskType eq 3)and(enabled eq true)", true},
		{"name eq 'x' OR Enabled EQ TRUE", true},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			f, err := filter.Parse[document](test.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := f.Match(sample()); got != test.want {
				t.Errorf("match = %v, want %v", got, test.want)
			}
		})
	}
}

func TestFilter_toleratesMissingParts(t *testing.T) {
	f, err := filter.Parse[document]("last.status eq 7 or tags.name eq 'x'")
	if err != nil {
		t.Fatal(err)
	}
	if f.Match(&document{}) {
		t.Error("an empty document matches")
	}
}

func TestFilter_refusesWhatIsMalformed(t *testing.T) {
	tests := []string{
		"id", "id eq", "id eq ", "eq 'x'", "id eq eq", "id is 'x'", "id eq not-a-guid", "name eq Production",
		"name eq 'x", "name eq 'x'' and", "(name eq 'x'", "name eq 'x')", "()", "(", ")", "''", "'x' eq name",
		"name eq 'x' and", "name eq 'x' name eq 'y'", "and", "not", "or name eq 'x'",
		"nothing eq 'x'", "name.more eq 'x'", "tags eq 'x'", "last eq 7", "secret eq 'x'", "- eq 'x'", ". eq 'x'", "id. eq 'x'",
		"taskType eq 'Reload'", "taskType sw 3", "enabled eq 1", "taskType eq NaN", "@ eq 'x' 'y'",
		strings.Repeat("(", 1000) + "taskType eq 3" + strings.Repeat(")", 1000),
		"name eq '" + strings.Repeat("x", filter.MaxLength) + "'",
	}
	for _, text := range tests {
		t.Run(text[:min(len(text), 40)], func(t *testing.T) {
			_, err := filter.Parse[document](text)
			if _, ok := errors.AsType[*filter.SyntaxError](err); !ok {
				t.Errorf("error = %v, want a SyntaxError", err)
			}
		})
	}
}

func TestFilter_narrowsIdentifiers(t *testing.T) {
	const a, b, c = "aaaaaaaa-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002", "cccccccc-0000-4000-8000-000000000003"
	tests := []struct {
		text     string
		want     []string
		narrowed bool
	}{
		{"", nil, false},
		{"name eq 'x'", nil, false},
		{"id eq " + a, []string{a}, true},
		{"id eq " + strings.ToUpper(a), []string{a}, true},
		{"id eq " + a + " and name eq 'x'", []string{a}, true},
		{"id eq " + a + " or id eq " + b + " or id eq " + a, []string{a, b}, true},
		{"(id eq " + a + " or id eq " + b + ") and (id eq " + b + " or id eq " + c + ")", []string{b}, true},
		{"id eq " + a + " and id eq " + b, []string{}, true},
		{"id eq " + a + " or name eq 'x'", nil, false},
		{"not id eq " + a, nil, false},
		{"id ne " + a, nil, false},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			f, err := filter.Parse[document](test.text)
			if err != nil {
				t.Fatal(err)
			}
			got, narrowed := f.IDs()
			if narrowed != test.narrowed || !slices.Equal(got, test.want) {
				t.Errorf("IDs = %v, %v; want %v, %v", got, narrowed, test.want, test.narrowed)
			}
		})
	}
}

func TestOrder_sorts(t *testing.T) {
	list := []*document{
		{Name: "b", TaskType: 1, Last: &result{Status: 7}},
		{Name: "a", TaskType: 2},
		{Name: "c", TaskType: 1, Last: &result{Status: 3}, Enabled: true},
	}
	for text, want := range map[string]string{
		"": "bac", "name": "abc", "name desc": "cba", "taskType, name DESC": "cba", "taskType desc,name asc": "abc",
		"last.status": "acb", "enabled": "bac", "enabled desc, name": "cab",
	} {
		order, err := filter.ParseOrder[document](text)
		if err != nil {
			t.Fatal(err)
		}
		sorted := slices.Clone(list)
		slices.SortStableFunc(sorted, order.Compare)
		got := ""
		for _, d := range sorted {
			got += d.Name
		}
		if got != want {
			t.Errorf("order %q: %s, want %s", text, got, want)
		}
	}
	for _, text := range []string{"nothing", "name up", "name asc more", ",", "tags"} {
		if _, err := filter.ParseOrder[document](text); err == nil {
			t.Errorf("order %q is accepted", text)
		}
	}
}

func TestColumn_showsTheFirstValue(t *testing.T) {
	got := make(map[string]any)
	for _, text := range []string{"name", "TaskType", "tags.name", "last.duration", "enabled"} {
		column, err := filter.ParseColumn[document](text)
		if err != nil {
			t.Fatal(err)
		}
		got[text] = column.Value(sample())
	}
	want := map[string]any{
		"name": "O'Brien's R&D (100%)", "TaskType": 3, "tags.name": "Production", "last.duration": int64(225000), "enabled": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	column, err := filter.ParseColumn[document]("last.status")
	if err != nil {
		t.Fatal(err)
	}
	if got := column.Value(&document{}); got != nil {
		t.Errorf("value of what is not there = %v", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{
		"id eq f1e2d3c4-b5a6-7890-1234-567890abcdef", "name eq 'it''s' and not (enabled eq true or taskType ge 3)",
		"@Mail ne 'x'", "lastUsed le '2025-11-02T08:15:00.000Z'", "((", "' '", "a eq 'é' or ☃ eq 1", "taskType eq 1e999",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := filter.Parse[document](text)
		if err != nil {
			if _, ok := errors.AsType[*filter.SyntaxError](err); !ok {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		ids, narrowed := parsed.IDs()
		if narrowed && parsed.Match(sample()) && !slices.Contains(ids, sample().ID) {
			t.Errorf("%q matches a document that %v excludes", text, ids)
		}
	})
}
