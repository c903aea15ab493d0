package text_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"butler/internal/text"
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
		if got := text.Line(row.in, row.limit); got != row.want {
			t.Errorf("%s: want %q, got %q", name, row.want, got)
		}
	}
}

func TestProse_keepsItsLines(t *testing.T) {
	if got := text.Prose("a\r\n\tb\x07", 50); got != "a\n\tb" {
		t.Errorf("got %q", got)
	}
}

func TestFirstBytes_areWholeCharacters(t *testing.T) {
	for limit, want := range []string{"", "a", "a", "aå", "aå", "aå", "aå€", "aå€"} {
		if got := text.FirstBytes("aå€", limit); got != want {
			t.Errorf("%d bytes: want %q, got %q", limit, want, got)
		}
	}
	if got := text.FirstBytes("\x80\x80\x80", 2); got != "" {
		t.Errorf("of no characters: want none, got %q", got)
	}
}

func TestExcerpt_isOneShortGraphicLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 50).Draw(t, "limit")
		got := text.Excerpt(rapid.String().Draw(t, "text"), limit)
		if utf8.RuneCountInString(got) > limit {
			t.Errorf("%q has more than %d runes", got, limit)
		}
		for _, r := range got {
			if !unicode.IsGraphic(r) || r != ' ' && unicode.IsSpace(r) {
				t.Errorf("%q holds %U", got, r)
			}
		}
	})
	for in, want := range map[string]string{"abcde": "abcde", "abcdef": "abcd…", " a \r\n\t b ": "a b", "": ""} {
		if got := text.Excerpt(in, 5); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestVisible_marksUnprintableCharacters(t *testing.T) {
	if got, want := strings.Map(text.Visible, "räk\x1b[31m\u0085\u202e\t\n "), "räk?[31m???? "; got != want {
		t.Errorf("want %q, got %q", want, got)
	}
}

func TestNearest_findsMisspeltWords(t *testing.T) {
	candidates := []string{"enable", "webhookURL", "rateLimit", "channel"}
	for _, tt := range []struct{ word, want string }{
		{"enabel", "enable"},
		{"Enable", "enable"},
		{"webhookUrl", "webhookURL"},
		{"webhoookURL", "webhookURL"},
		{"ratelimit", "rateLimit"},
		{"chanel", "channel"},
		{"colour", ""},
		{"enale", "enable"},
		{"x", ""},
		{"", ""},
	} {
		if got := text.Nearest(tt.word, candidates); got != tt.want {
			t.Errorf("%q: want %q, got %q", tt.word, tt.want, got)
		}
	}
}

func TestCount_saysOneOrMany(t *testing.T) {
	for n, want := range map[int]string{0: "0 warnings", 1: "1 warning", 2: "2 warnings"} {
		if got := text.Count(n, "warning", "warnings"); got != want {
			t.Errorf("%d: want %q, got %q", n, want, got)
		}
	}
}
