//go:build unix

package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
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
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusPreconditionFailed)
		_, _ = io.WriteString(w, `{"error":"another service answers","remedy":"name its address"}`)
	}))
	defer other.Close()
	for address, why := range map[string]string{"127.0.0.1:1": "refuses connections", other.Listener.Addr().String(): "another service answers"} {
		o := reloadOptions{adminOptions: adminOptions{address: address}, pid: os.Getpid()}
		var out strings.Builder
		if err := o.reload(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		<-heard
		if got := out.String(); !strings.Contains(got, "SIGHUP sent to process") || !strings.Contains(got, why) {
			t.Errorf("want it said that the log tells the rest, and why, got %q", got)
		}
	}
	o := reloadOptions{adminOptions: adminOptions{address: "127.0.0.1:1"}}
	var out strings.Builder
	if err := o.reload(t.Context(), &out); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("want the refused connection without a process, got %v", err)
	}
}
