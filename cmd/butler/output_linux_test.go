package main

import (
	"os"
	"strings"
	"testing"
)

func TestExecute_failsWhenNobodyCanReadItsOutput(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	stdout := os.Stdout
	defer func() { os.Stdout = stdout }()
	os.Stdout = full
	for _, args := range [][]string{{"--help"}, {"version"}, {"appender", "--host", "10.0.0.5"}} {
		var said strings.Builder
		if code := execute(t.Context(), args, &said); code != 1 || !strings.Contains(said.String(), "no space left") {
			t.Errorf("%q: want exit code 1 and the reason, got %d, %s", args, code, &said)
		}
	}
}
