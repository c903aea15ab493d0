package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
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

func TestRemote_namesAnAddressThatIsNotTheOperationsServer(t *testing.T) {
	for body, status := range map[string]int{`{"statusCode":404,"error":"Not Found","message":"Route not found"}`: 404, `null`: 403, `"no"`: 500} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		defer server.Close()
		_, err := remote{address: server.Listener.Addr().String()}.Status(t.Context())
		if err == nil || !strings.Contains(err.Error(), server.Listener.Addr().String()+" answers "+strconv.Itoa(status)) {
			t.Errorf("%s: want the address and the status, got %v", body, err)
		}
	}
}

func TestAddress_isHostAndPort(t *testing.T) {
	for given, want := range map[string]string{
		"127.0.0.1:9997": "127.0.0.1:9997", ":9997": "localhost:9997", "[::1]:9997": "[::1]:9997",
		"9997": "", "localhost": "", "http://localhost:9997": "", "localhost:0": "", "localhost:99999": "", "localhost:http": "",
	} {
		service, err := (&adminOptions{address: given}).addressed()
		if service.address != want || (err == nil) != (want != "") {
			t.Errorf("%s: want %q, got %q and %v", given, want, service.address, err)
		}
	}
}
