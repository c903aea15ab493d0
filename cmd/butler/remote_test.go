package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRemote_saysWhatIsOddAboutAnAnswer(t *testing.T) {
	for body, want := range map[string]string{
		`{"count":"two"}`: "with a JSON string at Count where a whole number is wanted",
		`[]`:              "with a JSON array where an object is wanted",
		`butler`:          "200 OK and no JSON",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		defer server.Close()
		_, err := remote{address: server.Listener.Addr().String()}.DropParked(t.Context(), "", []string{"a"})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Go ") {
			t.Errorf("%s: want %q, got %v", body, want, err)
		}
	}
}
