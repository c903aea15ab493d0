package qlik_test

import (
	"testing"

	"butler/internal/qlik"
)

func TestLine_isOneLineOfPlainText(t *testing.T) {
	for name, row := range map[string]struct {
		in    string
		limit int
		want  string
	}{
		"plain":              {"Sales räksmörgås", 50, "Sales räksmörgås"},
		"lines":              {"a\r\nb\tc", 50, "a b c"},
		"control characters": {"a\x00\x1b[31mb\u0085", 50, "a[31mb"},
		"reordered text":     {"a\u202egnp.exe\u2066", 50, "agnp.exe"},
		"no UTF-8":           {"a\xffb", 50, "a\uFFFDb"},
		"too long":           {"åäöåäö", 3, "åäö"},
	} {
		if got := qlik.Line(row.in, row.limit); got != row.want {
			t.Errorf("%s: want %q, got %q", name, row.want, got)
		}
	}
}

func TestProse_keepsItsLines(t *testing.T) {
	if got := qlik.Prose("a\r\n\tb\x07", 50); got != "a\n\tb" {
		t.Errorf("got %q", got)
	}
}

func TestFirstBytes_areWholeCharacters(t *testing.T) {
	for limit, want := range []string{"", "a", "a", "aå", "aå", "aå", "aå€", "aå€"} {
		if got := qlik.FirstBytes("aå€", limit); got != want {
			t.Errorf("%d bytes: want %q, got %q", limit, want, got)
		}
	}
	if got := qlik.FirstBytes("\x80\x80\x80", 2); got != "" {
		t.Errorf("of no characters: want none, got %q", got)
	}
}
