package qrs

import (
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"butler/internal/qlik/qliktest"
)

func TestFilter_isWrittenAsTheServiceReadsIt(t *testing.T) {
	ids, err := IDs(idA, idB)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		filter  Filter
		text    string
		encoded string
	}{
		{"identifiers", ids, "id eq " + idA + " or id eq " + idB, "id%20eq%20" + idA + "%20or%20id%20eq%20" + idB},
		{"names", Named("Bob's", idA), "name eq 'Bob''s' or id eq " + idA, "name%20eq%20%27Bob%27%27s%27%20or%20id%20eq%20" + idA},
		{"quote", Equal(FieldTagName, "Bob's"), "tags.name eq 'Bob''s'", "tags.name%20eq%20%27Bob%27%27s%27"},
		{"separators", Equal(FieldTagName, "a&b#c+d%e=f?g"), "tags.name eq 'a&b#c+d%e=f?g'", "tags.name%20eq%20%27a%26b%23c%2Bd%25e%3Df%3Fg%27"},
		{"unicode", Equal(FieldName, "Säljö 日"), "name eq 'Säljö 日'", "name%20eq%20%27S%C3%A4lj%C3%B6%20%E6%97%A5%27"},
		{
			"pair", Equal(FieldPropertyName, "n").And(Equal(FieldPropertyValue, "v")),
			"(customProperties.definition.name eq 'n') and (customProperties.value eq 'v')",
			"(customProperties.definition.name%20eq%20%27n%27)%20and%20(customProperties.value%20eq%20%27v%27)",
		},
		{"date", AtMost(FieldLastUsed, "2026-01-01T00:00:00.000Z"), "lastUsed le '2026-01-01T00:00:00.000Z'", "lastUsed%20le%20%272026-01-01T00%3A00%3A00.000Z%27"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.filter.String(); got != test.text {
				t.Errorf("text = %s, want %s", got, test.text)
			}
			if got := test.filter.Encode(); got != test.encoded {
				t.Errorf("encoded = %s, want %s", got, test.encoded)
			}
		})
	}
}

func TestIDs_refusesWhatIsNoIdentifier(t *testing.T) {
	for _, id := range []string{"", "x", idA + " or name eq 'y'", strings.Repeat("1", 36), idA[:35] + "'"} {
		if f, err := IDs(idA, id); err == nil {
			t.Errorf("IDs(%q) = %s, want an error", id, f)
		}
	}
}

// Whatever the text, the server sees one parameter, and in it one quoted literal with exactly that text.
func TestFilter_cannotBeInjected(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.String(), rapid.StringOf(rapid.RuneFrom([]rune(`'"&#+%?=/\ ()or`)))).Draw(t, "value")
		parsed, err := url.ParseQuery("filter=" + Equal(FieldTagName, value).Encode() + "&xrfkey=k")
		if err != nil || len(parsed) != 2 {
			t.Fatalf("the query has the parameters %v (%v), want filter and xrfkey", parsed, err)
		}
		literal, ok := strings.CutPrefix(parsed.Get("filter"), "tags.name eq '")
		if !ok || !strings.HasSuffix(literal, "'") {
			t.Fatalf("filter %q is not one comparison", parsed.Get("filter"))
		}
		literal = literal[:len(literal)-1]
		if strings.Contains(strings.ReplaceAll(literal, "''", ""), "'") {
			t.Fatalf("literal %q is closed early", literal)
		}
		if got := strings.ReplaceAll(literal, "''", "'"); got != strings.ToValidUTF8(value, "\uFFFD") {
			t.Fatalf("the server reads %q, want %q", got, value)
		}
	})
}

func TestClient_sendsHostileTextsAsOneFilter(t *testing.T) {
	c, server := plain(t, always(qliktest.Response{Body: "[]"}))
	hostile := "x' or 1 eq 1 &xrfkey=0000000000000000#+%27"
	if _, err := c.TasksByTag(t.Context(), hostile); err != nil {
		t.Fatalf("TasksByTag: %v", err)
	}
	if _, err := c.TasksByCustomProperty(t.Context(), hostile, "å&"); err != nil {
		t.Fatalf("TasksByCustomProperty: %v", err)
	}
	quoted := strings.ReplaceAll(hostile, "'", "''")
	want := []string{
		"tags.name eq '" + quoted + "'",
		"(customProperties.definition.name eq '" + quoted + "') and (customProperties.value eq 'å&')",
	}
	for i, r := range server.Requests() {
		if r.Path != "task/full" || r.Filter != want[i] || strings.Count(r.RawQuery, "=") != 1 {
			t.Errorf("request %d: %s filter %q query %q, want filter %q", i, r.Path, r.Filter, r.RawQuery, want[i])
		}
	}
}
