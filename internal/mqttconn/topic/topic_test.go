package topic_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"butler/internal/mqttconn/topic"
)

func TestCheck_acceptsWhatEveryBrokerTakes(t *testing.T) {
	for _, row := range []struct {
		label, topic string
		name, filter bool
	}{
		{"plain", "qliksense/task_failure", true, true},
		{"spaces and accents", "Büro/Räume oben", true, true},
		{"an empty level", "/a//b/", true, true},
		{"the longest", strings.Repeat("x", 65_535), true, true},
		{"everything", "#", false, true},
		{"everything below", "qliksense/#", false, true},
		{"any level", "+/butler/+", false, true},
		{"# before the end", "a/#/b", false, false},
		{"# beside something", "a/b#", false, false},
		{"+ beside something", "a/+b", false, false},
		{"empty", "", false, false},
		{"too long", strings.Repeat("x", 65_536), false, false},
		{"NUL", "a\x00b", false, false},
		{"line break", "a\nb", false, false},
		{"no UTF-8", "a\xffb", false, false},
		{"no character", "a\ufffe", false, false},
		{"no character of another plane", "\U0001ffff", false, false},
		{"no character in the middle of a block", "\ufdd0b", false, false},
		{"the most levels", strings.Repeat("/", 200), true, true},
		{"too many levels", strings.Repeat("/", 201), false, false},
	} {
		t.Run(row.label, func(t *testing.T) {
			if err := topic.Check(row.topic); (err == nil) != row.name {
				t.Errorf("as a name: want it accepted %v, got %v", row.name, err)
			}
			if err := topic.CheckFilter(row.topic); (err == nil) != row.filter {
				t.Errorf("as a filter: want it accepted %v, got %v", row.filter, err)
			}
		})
	}
}

func TestLevel_keepsForeignTextWithinOneLevel(t *testing.T) {
	for text, want := range map[string]string{
		"QlikSenseEngineService": "QlikSenseEngineService",
		"Dienst für Büro":        "Dienst für Büro",
		"a/b":                    "a_b",
		"#":                      "_",
		"+":                      "_",
		"a\x00b\r\nc":            "a_b__c",
		"a\u202eb":               "a_b",
		"a\xffb":                 "a_b",
		"":                       "_",
		strings.Repeat("ä", 300): strings.Repeat("ä", 255),
	} {
		if got := topic.Level(text); got != want {
			t.Errorf("level of %q: want %q, got %q", text, want, got)
		}
	}
}

func FuzzLevel_isAlwaysALevel(f *testing.F) {
	for _, seed := range []string{"sense-01", "a/b+c#d", "\x00\xff", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		level := topic.Level(text)
		if err := topic.Check(level); err != nil || strings.Contains(level, "/") || utf8.RuneCountInString(level) > 255 {
			t.Fatalf("%q becomes %q: %v", text, level, err)
		}
	})
}

func TestMatches_isWhatABrokerDoes(t *testing.T) {
	for _, row := range []struct {
		filter, name string
		want         bool
	}{
		{"qliksense/#", "qliksense/start_task", true},
		{"qliksense/#", "qliksense", true},
		{"qliksense/#", "qliksense2/start_task", false},
		{"#", "a/b", true},
		{"#", "$SYS/uptime", false},
		{"+/uptime", "$SYS/uptime", false},
		{"$SYS/#", "$SYS/uptime", true},
		{"+/b", "a/b", true},
		{"+/b", "a/b/c", false},
		{"a/+", "a/", true},
		{"a/+", "a", false},
		{"a/b", "a/b", true},
		{"a/b/c", "a/b", false},
		{"a", "a/b", false},
		{"", "a", false},
	} {
		if got := topic.Matches(row.filter, row.name); got != row.want {
			t.Errorf("%q asks for %q: got %v", row.filter, row.name, got)
		}
	}
}
