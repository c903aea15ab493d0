package config

import (
	"slices"
	"testing"
)

func TestKeys_describeWhatCanBeSet(t *testing.T) {
	keys, err := Keys(fragments(t))
	if err != nil {
		t.Fatal(err)
	}
	find := func(path string) (Key, bool) {
		i := slices.IndexFunc(keys, func(k Key) bool { return k.Path == path })
		if i < 0 {
			return Key{}, false
		}
		return keys[i], true
	}
	for _, want := range []Key{
		{Path: "fileLogging", Default: "false", Doc: "Also log to a file per day (takes effect after a restart)", Restart: true},
		{Section: "journal", Path: "journal.keepFor", Default: `"24h"`, Doc: "How long an event stays in the journal after it was handled; its alerts and notices are removed as soon as they are delivered, held back or dropped (takes effect after a restart)", Restart: true},
		{Section: "genericUrls", Path: "genericUrls[].id", Doc: "Name by which a template picks the link (required)"},
	} {
		if got, ok := find(want.Path); !ok || got != want {
			t.Errorf("want %+v, got %+v", want, got)
		}
	}
	for _, k := range keys {
		if k.Doc == "" {
			t.Errorf("%s: want a description", k.Path)
		}
	}
}

func TestBelow_listsTheKeysOfASectionInTheOrderOfTheSchema(t *testing.T) {
	c := mustLoad(t, "Butler:\n")
	want := []string{"dockerHealthCheck.enable", "dockerHealthCheck.port"}
	if got := c.Below("dockerHealthCheck"); !slices.Equal(got, want) {
		t.Errorf("want %q, got %q", want, got)
	}
	if got := c.Below("nothing"); got != nil {
		t.Errorf("want no keys of what is no section, got %q", got)
	}
}
