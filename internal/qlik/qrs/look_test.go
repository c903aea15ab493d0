package qrs

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"butler/internal/qlik/qliktest"
)

func TestClient_lookTellsWhatTheQRSIs(t *testing.T) {
	c, _ := plain(t, always(qliktest.Response{Body: `{"buildVersion":"39.3.0"}`}))
	seen, err := c.Look(t.Context())
	if err != nil || seen.Version != "39.3.0" || seen.TLS != "" || time.Since(seen.Clock) > time.Minute {
		t.Errorf("got %+v, %v", seen, err)
	}
}

func TestClient_lookKeepsWhatItSawOfARefusal(t *testing.T) {
	c, server := plain(t, always(qliktest.Response{Status: http.StatusForbidden}))
	seen, err := c.Look(t.Context())
	if err == nil || seen.Clock.IsZero() {
		t.Errorf("got %+v, %v", seen, err)
	}
	if got := server.Requests(); len(got) != 1 || !strings.HasSuffix(got[0].Path, "about") {
		t.Errorf("want one call, got %+v", got)
	}
}

func TestClient_lookOfASilentOrOddQRSEnds(t *testing.T) {
	for name, response := range map[string]qliktest.Response{
		"huge":     {Body: strings.Repeat(" ", 64<<20)},
		"no JSON":  {Body: "<html>"},
		"an array": {Body: "[]"},
	} {
		c, _ := plain(t, always(response))
		c.documentLimit = 1 << 20
		if seen, err := c.Look(t.Context()); err == nil {
			t.Errorf("%s: got %+v", name, seen)
		}
	}
	release := make(chan struct{})
	c, _ := plain(t, func(qliktest.Request) qliktest.Response { <-release; return qliktest.Response{} })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Look(ctx); err == nil {
		t.Error("silence is an answer")
	}
	close(release)
}

func TestClient_countsWhatTheUserCanSee(t *testing.T) {
	c, server := plain(t, inTurn(qliktest.Response{Body: `{"value": 17}`}, qliktest.Response{Body: `{"value": "many"}`}, qliktest.Response{Status: http.StatusForbidden}))
	if n, err := c.Count(t.Context(), "task"); err != nil || n != 17 {
		t.Errorf("want 17, got %d, %v", n, err)
	}
	if n, err := c.Count(t.Context(), "task"); err != nil || n != 0 {
		t.Errorf("no number: got %d, %v", n, err)
	}
	if _, err := c.Count(t.Context(), "task"); err == nil {
		t.Error("a refusal is a count")
	}
	if got := server.Requests()[0].Path; !strings.HasSuffix(got, "task/count") {
		t.Errorf("asked %s", got)
	}
}
