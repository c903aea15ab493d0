package destination_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/destination"
	"butler/messages"
)

func TestUsesOf_areTheSectionsThatAreOn(t *testing.T) {
	got := destination.UsesOf(
		destination.Section[int]{Kind: failed, Path: "a.failed", Settings: 1, On: true},
		destination.Section[int]{Kind: succeeded, Path: "a.succeeded", Settings: 2},
	)
	if len(got) != 1 || got[0].Name != string(failed) || got[0].Path != "a.failed" || got[0].Settings != 1 || !cmp.Equal(got[0].Kinds, []messages.AlertKind{failed}) {
		t.Errorf("want the first alone, got %+v", got)
	}
}

func TestAllOn_needsEverySwitch(t *testing.T) {
	switches := map[string]bool{"a.enable": true, "b.enable": true, "c.enable": false}
	decode := func(path string, into any) error {
		on, known := switches[path]
		if !known {
			return errors.New("no such key")
		}
		*into.(*bool) = on
		return nil
	}
	for name, row := range map[string]struct {
		paths []string
		want  bool
		fails bool
	}{
		"all on":      {[]string{"a.enable", "b.enable"}, true, false},
		"one off":     {[]string{"c.enable", "a.enable"}, false, false},
		"one unknown": {[]string{"a.enable", "x.enable"}, true, true},
	} {
		var got bool
		if err := destination.AllOn(decode, &got, row.paths...); (err != nil) != row.fails || got != row.want && !row.fails {
			t.Errorf("%s: got %t, %v", name, got, err)
		}
	}
}

func TestTagGate_letsThroughWhatHasTheTagAndWhatIsNotKnown(t *testing.T) {
	tagged := messages.App{Known: true, Tags: []string{"Butler alerts"}}
	for name, row := range map[string]struct {
		gate destination.TagGate
		app  messages.App
		told bool
	}{
		"off":                    {destination.TagGate{Tag: "other"}, tagged, true},
		"with the tag":           {destination.TagGate{Enable: true, Tag: "Butler alerts"}, tagged, true},
		"in other letters":       {destination.TagGate{Enable: true, Tag: "butler alerts"}, tagged, false},
		"could not be looked up": {destination.TagGate{Enable: true, Tag: "Butler alerts"}, messages.App{}, true},
	} {
		got := row.gate.Select(&messages.Alert{Kind: messages.CloudReloadFailed, App: row.app})
		if told := len(got.Recipients) == 1; told != row.told || told == (got.Reason != "") {
			t.Errorf("%s: want told %t, got %+v", name, row.told, got)
		}
	}
}

func TestProblems_knowAddressesAndTemplates(t *testing.T) {
	var p destination.Problems
	for _, good := range []string{"https://example.com/x", "http://[::1]:8080", "http://h:65535/x"} {
		p.WebAddress("url", good, "")
	}
	p.Template("subject", "{{taskName}}")
	if len(p) > 0 {
		t.Fatalf("what is good is refused: %v", p)
	}
	for _, bad := range []string{"", "example.com", "ftp://example.com", "https://", "https://:443", "http://%zz", "http://h:99999/x", "http://h:0"} {
		p.WebAddress("url", bad, "write one")
	}
	p.Template("subject", "{{taskName")
	if len(p) != 9 || p[0].Path != "url" || p[0].Reason != "is missing" || p[8].Path != "subject" {
		t.Errorf("want all nine refused, got %v", p)
	}
}

func TestSeconds_keepTheirSign(t *testing.T) {
	for given, want := range map[float64]time.Duration{0: 0, 0.5: 500 * time.Millisecond, 300: 5 * time.Minute, -1: 0, 1e300: 100 * 365 * 24 * time.Hour} {
		if got := destination.Seconds(given); got != want {
			t.Errorf("%v seconds: want %s, got %s", given, want, got)
		}
	}
}
