package udp

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestSanitise_appliesTheRulesInOrder(t *testing.T) {
	long := strings.Repeat("x", 500)
	for name, row := range map[string]struct {
		in, want string
		changed  bool
	}{
		"plain":                                   {"Daily Sales", "Daily Sales", false},
		"empty":                                   {"", "", false},
		"emoji":                                   {"🤪 emoji", "🤪 emoji", false},
		"control characters go":                   {"a\tb\r\nc\x00d\x1f", "abcd", true},
		"DEL goes":                                {"a\x7fb", "ab", true},
		"space, tilde and C1 stay":                {" ~\u0080\u009f", " ~\u0080\u009f", false},
		"500 characters stay":                     {long, long, false},
		"501 are cut":                             {long + "y", long, true},
		"500 emoji are 500 characters":            {strings.Repeat("🤪", 500), strings.Repeat("🤪", 500), false},
		"the 501st emoji is cut whole":            {strings.Repeat("🤪", 501), strings.Repeat("🤪", 500), true},
		"removed first, then cut":                 {strings.Repeat("\x01", 600) + long, long, true},
		"control characters behind the cut":       {long + "\x01", long, true},
		"invalid UTF-8":                           {"a\xffb", "a\ufffdb", true},
		"half a code point at the end":            {"a\xe2\x82", "a\ufffd\ufffd", true},
		"a replacement character that was sent":   {"a\ufffdb", "a\ufffdb", false},
		"encoded surrogate is no character":       {"\xed\xa0\x80", "\ufffd\ufffd\ufffd", true},
		"overlong semicolon is none":              {"\xc0\xbb", "\ufffd\ufffd", true},
		"not trimmed and not normalised":          {"  e\u0301 ", "  e\u0301 ", false},
		"markup is somebody else's business":      {"<b>&amp;", "<b>&amp;", false},
		"500 letters of which some are two bytes": {strings.Repeat("aé", 250), strings.Repeat("aé", 250), false},
	} {
		t.Run(name, func(t *testing.T) {
			got, changed := Sanitise([]byte(row.in))
			if got != row.want || changed != row.changed {
				t.Errorf("got %q, %v, want %q, %v", got, changed, row.want, row.changed)
			}
		})
	}
}

func TestSanitise_isStableAndTellsTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 1200), rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) })).Draw(t, "in")
		once, changed := Sanitise(in)
		checkText(t, "text", once, MaxCharacters)
		if changed == (once == string(in)) {
			t.Fatalf("changed is %v for %q -> %q", changed, in, once)
		}
		if clean := IsClean(in); changed && clean && !strings.HasPrefix(string(in), once) || !changed && !clean {
			t.Fatalf("clean is %v for %q -> %q", clean, in, once)
		}
		if twice, again := Sanitise([]byte(once)); twice != once || again {
			t.Fatalf("a second pass gives %q", twice)
		}
	})
}

func TestExcerpt_isBounded(t *testing.T) {
	if got := Excerpt([]byte(strings.Repeat("é\n", 300)), 200); utf8.RuneCountInString(got) != 200 || strings.Contains(got, "\n") {
		t.Errorf("got %d characters: %q", utf8.RuneCountInString(got), got)
	}
}

func TestParse_saysWhetherTextWasChanged(t *testing.T) {
	for name, row := range map[string]struct {
		change map[int]string
		want   bool
	}{
		"nothing":                        {nil, false},
		"control characters":             {map[int]string{2: "host\t", 3: "Task\n", 11: "Message\x01\x02"}, true},
		"600 characters of name":         {map[int]string{3: strings.Repeat("n", 600)}, true},
		"only in the identifier":         {map[int]string{1: "/scheduler-task-failed/\x02"}, true},
		"a field that is cut by nothing": {map[int]string{3: strings.Repeat("å", 500)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := accept(t, scheduler("/scheduler-task-failed/", row.change), ParseOptions{}); got.Sanitised != row.want {
				t.Errorf("Sanitised is %v, want %v", got.Sanitised, row.want)
			}
		})
	}
}

// Every byte is looked at, wherever it stands and whatever is around it.
func TestIsPlain_findsEveryByteThatIsNot(t *testing.T) {
	for _, around := range []byte{' ', 'a', '~'} {
		for length := range 18 {
			for at := range length {
				text := bytes.Repeat([]byte{around}, length)
				for c := range 256 {
					text[at] = byte(c)
					if got, want := isPlain(text), c >= 0x20 && c < 0x7f; got != want {
						t.Fatalf("%q: want %v, got %v", text, want, got)
					}
				}
			}
		}
	}
}
