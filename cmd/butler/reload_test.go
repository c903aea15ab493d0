//go:build unix

package main

import (
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

func TestReload_tellsTheProcessThatCannotBeAsked(t *testing.T) {
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP)
	defer signal.Stop(heard)
	o := reloadOptions{adminOptions: adminOptions{address: "127.0.0.1:1"}, pid: os.Getpid()}
	var out strings.Builder
	if err := o.reload(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	<-heard
	if got := out.String(); !strings.Contains(got, "is told to reload") || !strings.Contains(got, "refused") {
		t.Errorf("want it said that the log tells the rest, and why, got %q", got)
	}
	o.pid = 0
	if err := o.reload(t.Context(), &out); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("want the refused connection without a process, got %v", err)
	}
}
