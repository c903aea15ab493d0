// Package webtest helps tests of HTTP servers: it serves one until the test ends, and
// makes calls.
package webtest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"butler/api/web"
)

// Patience bounds the wait for what a server does, however busy the machine is.
const Patience = 30 * time.Second

// Client makes each call over a connection of its own: one that is kept may lead to
// a server that is gone, or hold up its end.
var Client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// Serve serves until the test ends. Then the shutdown must succeed.
func Serve(t testing.TB, server *web.Server) {
	t.Helper()
	served := make(chan error, 1)
	go func() { served <- server.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), Patience)
		defer cancel()
		if err := errors.Join(server.Shutdown(ctx), <-served); err != nil {
			t.Errorf("%s: %v", server.Address(), err)
		}
	})
}

// Request makes a request.
func Request(t testing.TB, method, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// Answer sends a request and reads its whole answer.
func Answer(t testing.TB, by *http.Client, req *http.Request) (*http.Response, string) {
	t.Helper()
	answer, err := by.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(body)
}
