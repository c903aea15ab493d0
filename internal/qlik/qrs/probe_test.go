package qrs

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"butler/internal/qlik/qliktest"
)

func TestClient_lookTellsWhatTheQRSIs(t *testing.T) {
	c, _ := plain(t, always(qliktest.Response{Body: `{"buildVersion":"39.3.0"}`}))
	seen, err := c.Probe(t.Context())
	if err != nil || seen.Version != "39.3.0" || seen.TLS != "" || time.Since(seen.Clock) > time.Minute {
		t.Errorf("got %+v, %v", seen, err)
	}
}

func TestClient_lookKeepsWhatItSawOfARefusal(t *testing.T) {
	c, server := plain(t, always(qliktest.Response{Status: http.StatusForbidden}))
	seen, err := c.Probe(t.Context())
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
		if seen, err := c.Probe(t.Context()); err == nil {
			t.Errorf("%s: got %+v", name, seen)
		}
	}
	release := make(chan struct{})
	c, _ := plain(t, func(qliktest.Request) qliktest.Response { <-release; return qliktest.Response{} })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Probe(ctx); err == nil {
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

func TestClient_asksForNamesSomeAtATime(t *testing.T) {
	c, server := plain(t, always(qliktest.Response{Body: `[{"id":"` + idA + `","name":"Finance"}]`}))
	names := make([]string, 2*namesOfCall+1)
	for i := range names {
		names[i] = "Finance"
	}
	got, err := c.Named(t.Context(), "tag", names...)
	if err != nil || len(got) != 3 || got[0] != (Reference{idA, "Finance"}) {
		t.Errorf("got %+v, %v", got, err)
	}
	calls := server.Requests()
	if len(calls) != 3 || calls[2].Path != "tag" || calls[2].Filter != "name eq 'Finance'" {
		t.Errorf("want three calls, the last for one name, got %+v", calls)
	}
	if got, err := c.Named(t.Context(), "tag"); err != nil || got != nil || len(server.Requests()) != 3 {
		t.Errorf("want nobody asked for nothing, got %+v, %v", got, err)
	}
}

// A server takes an address of 16 KiB.
func TestClient_asksForFewLongNamesAtATime(t *testing.T) {
	c, server := plain(t, always(qliktest.Response{Body: "[]"}))
	c.orFilter.Store(orWorks)
	names := make([]string, namesOfCall)
	for i := range names {
		names[i] = strings.Repeat("長", 255) + strconv.Itoa(i)
	}
	if _, err := c.Named(t.Context(), "tag", names...); err != nil {
		t.Fatal(err)
	}
	asked := map[string]bool{}
	for _, r := range server.Requests() {
		if len(r.RawQuery) > 10<<10 {
			t.Errorf("an address of %d bytes", len(r.RawQuery))
		}
		for _, name := range names {
			if strings.Contains(r.Filter, "'"+name+"'") {
				asked[name] = true
			}
		}
	}
	if len(asked) != len(names) || len(server.Requests()) > 4 {
		t.Errorf("want all %d names asked for with few calls, got %d with %d", len(names), len(asked), len(server.Requests()))
	}
	long := strings.Repeat("長", lengthOfCall)
	if got := inCalls([]string{long, long, "short"}); len(got) != 3 {
		t.Errorf("want names that are too long for any call alone, got %d calls", len(got))
	}
}

func TestClient_doesNotTakeAMisreadFilterForAMissingName(t *testing.T) {
	names := []string{"Finance", "Sales", idA, "Nobody"}
	one := map[string]string{
		"name eq 'Finance'": `{"id":"` + idB + `","name":"Finance"}`,
		"name eq 'Sales'":   `{"id":"` + idC + `","name":"Sales"}`,
		"id eq " + idA:      `{"id":"` + idA + `","name":"A"}`,
	}
	for name, test := range map[string]struct {
		or           int32
		joint        qliktest.Response
		calls, found int
	}{
		"all but the first name are overlooked": {orUnknown, qliktest.Response{Body: "[" + one["name eq 'Finance'"] + "]"}, 4, 3},
		"a filter of several names is refused":  {orUnknown, qliktest.Response{Status: http.StatusBadRequest}, 5, 3},
		"a server that is known to read them":   {orWorks, qliktest.Response{Body: "[" + one["name eq 'Finance'"] + "]"}, 1, 1},
	} {
		c, server := plain(t, func(r qliktest.Request) qliktest.Response {
			if strings.Contains(r.Filter, " or ") {
				return test.joint
			}
			return qliktest.Response{Body: "[" + one[r.Filter] + "]"}
		})
		c.orFilter.Store(test.or)
		got, err := c.Named(t.Context(), "tag", names...)
		if err != nil || len(got) != test.found || len(server.Requests()) != test.calls {
			t.Errorf("%s: want %d names after %d calls, got %+v, %v after %d", name, test.found, test.calls, got, err, len(server.Requests()))
		}
	}
}

func TestClient_tellsWhichNameIsRefused(t *testing.T) {
	c, server := plain(t, func(r qliktest.Request) qliktest.Response {
		if strings.Contains(r.Filter, "odd") {
			return qliktest.Response{Status: http.StatusBadRequest}
		}
		return qliktest.Response{Body: "[]"}
	})
	_, err := c.Named(t.Context(), "tag", "even", "odd", "other")
	if calls := server.Requests(); err == nil || !strings.Contains(err.Error(), "?filter=name eq 'odd', host: ") || len(calls) != 3 {
		t.Errorf("want the one that is refused, got %v after %d calls", err, len(calls))
	}
}
