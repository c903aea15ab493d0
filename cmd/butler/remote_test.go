package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"butler/api/operations"
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

// A server takes only so much with one call.
func TestRemote_namesManyIDsInSeveralCalls(t *testing.T) {
	ids := make([]string, 2*operations.MaxIDs+1)
	for n := range ids {
		ids[n] = fmt.Sprint("notice-", n)
	}
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ IDs []string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || len(in.IDs) > operations.MaxIDs {
			t.Errorf("want at most %d IDs, got %d, %v", operations.MaxIDs, len(in.IDs), err)
		}
		if got = append(got, in.IDs...); len(got) == operations.MaxIDs { // one of them is gone
			w.WriteHeader(http.StatusConflict)
			fmt.Fprintf(w, `{"count":%d,"error":"partly","detail":"one is gone","remedy":"none"}`, len(in.IDs)-1)
			return
		}
		fmt.Fprintf(w, `{"count":%d}`, len(in.IDs))
	}))
	defer server.Close()
	count, err := remote{address: server.Listener.Addr().String()}.DropParked(t.Context(), "", ids)
	if count != len(ids)-1 || err == nil || !strings.Contains(err.Error(), "one is gone") || !slices.Equal(got, ids) {
		t.Errorf("want all but one, and the error about that one, got %d of %d, %v", count, len(got), err)
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
