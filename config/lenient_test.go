package config

import (
	"path/filepath"
	"testing"
)

func TestLoad_lenientPassesOverProblems(t *testing.T) {
	options := Options{Path: filepath.Join("testdata", "bad.yaml"), Schemas: fragments(t)}
	if _, err := Load(options); err == nil {
		t.Fatal("want problems without leniency")
	}
	options.Lenient = true
	c, err := Load(options)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(c.Ignored()); got < 12 {
		t.Errorf("want every problem told, got %d", got)
	}
	if got, want := c.UDP().MaxMessageSize, 65507; got != want {
		t.Errorf("want the default in place of a bad value: %d, got %d", want, got)
	}
}
