package qrs

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"butler/messages"
)

func TestSystemInfo_wantsNeitherKeyNorUser(t *testing.T) {
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.String() != "/v1/systeminfo" || r.Header.Get("X-Qlik-Xrfkey") != "" || r.Header.Get("X-Qlik-User") != "" {
			t.Errorf("asked for %s with %v", r.URL, r.Header)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"version":"14.250.1","releaseLabel":"May 2026","senseId":null,"productName":"Qlik \u001bSense"}`)
	}))
	defer server.Close()
	c := newClient(t, Options{BaseURL: server.URL + "/v1/"})
	got, err := c.SystemInfo(t.Context())
	if want := (SystemInfo{Version: "14.250.1", ReleaseLabel: "May 2026", ProductName: "Qlik Sense"}); got != want || err != nil {
		t.Errorf("want %+v, got %+v, %v", want, got, err)
	}
	status = http.StatusBadGateway
	if _, err := c.SystemInfo(t.Context()); kindOf(t, err) != messages.FailureUnavailable {
		t.Errorf("want it unavailable, got %v", err)
	}
}

func TestSystemInfo_anOddAnswerIsNoVersion(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"message":"Please log in","version":null}`)
	}))
	defer server.Close()
	if got, err := newClient(t, Options{BaseURL: server.URL}).SystemInfo(t.Context()); kindOf(t, err) != messages.FailureInvalid {
		t.Errorf("want it invalid, got %+v, %v", got, err)
	}
}
