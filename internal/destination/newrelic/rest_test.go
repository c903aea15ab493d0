package newrelic

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/secret"
)

// collector is New Relic. It refuses the calls with one of its keys.
type collector struct {
	*httptest.Server
	refuse string
	mu     sync.Mutex
	got    []string
}

func newCollector(t *testing.T, refuse string) *collector {
	t.Helper()
	c := &collector{refuse: refuse}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.got = append(c.got, fmt.Sprintf("%s %s %s %s", r.URL.Path, r.Header.Get("Api-Key"), r.Header.Get("X-Team"), strings.TrimSpace(string(body))))
		if r.Header.Get("Api-Key") == c.refuse {
			http.Error(w, "the key "+c.refuse+" is not known", http.StatusForbidden)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *collector) posting(path string, accounts ...string) Posting {
	p := Posting{
		DestinationAccount: accounts, URL: c.URL + path, key: "key", Header: []Header{{"X-Team", headerSecret}, {"Api-Key", "not this one"}},
		accounts: []Account{{"Operations", secret.String(firstKey), 1001}, {"Finance", secret.String(secondKey), 1002}},
	}
	p.Attribute.Static = []Pair{{"env", "prod"}, {"app", "fixed"}, {"env", "test"}}
	return p
}

func TestPosting_sendsToEveryAccount(t *testing.T) {
	c := newCollector(t, "")
	event := Event{Type: "reloadDone", Timestamp: 1700000000000, Attributes: map[string]any{"app": "Stock", "eventType": "mine", "rows": 7.0}}
	if err := c.posting("", "Operations", "Finance").Event(t.Context(), c.Client(), event); err != nil {
		t.Fatal(err)
	}
	const body = `{"app":"Stock","env":"test","eventType":"reloadDone","rows":7,"timestamp":1700000000000}`
	slices.Sort(c.got)
	want := []string{
		"/v1/accounts/1001/events " + firstKey + " " + headerSecret + " " + body,
		"/v1/accounts/1002/events " + secondKey + " " + headerSecret + " " + body,
	}
	if diff := cmp.Diff(want, c.got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	c.got = nil
	metric := Metric{Name: "rows", Value: 12.5, Timestamp: 1700000000000, Attributes: map[string]any{"app": "Stock"}}
	if err := c.posting("/metric/v1", "Finance").Metric(t.Context(), c.Client(), metric); err != nil {
		t.Fatal(err)
	}
	want = []string{"/metric/v1 " + secondKey + " " + headerSecret + ` [{"common":{"attributes":{"app":"Stock","env":"test"},"timestamp":1700000000000},"metrics":[{"name":"rows","type":"gauge","value":12.5}]}]`}
	if diff := cmp.Diff(want, c.got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

func TestPosting_failsUnlessAllAccountsAccept(t *testing.T) {
	for name, row := range map[string]struct {
		accounts []string
		want     []string
	}{
		"one of two refuses": {[]string{"Operations", "Finance"}, []string{"1 of 2 accounts", "Finance: ", "403"}},
		"one is unknown":     {[]string{"Operations", "Sales"}, []string{"1 of 2 accounts", "Sales: is not an account of " + accountsKey}},
		"there is none":      {nil, []string{"key.destinationAccount"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCollector(t, secondKey)
			err := c.posting("", row.accounts...).Event(t.Context(), c.Client(), Event{Type: "e"})
			if err == nil {
				t.Fatal("want an error")
			}
			for _, part := range row.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("want %q in the error, got %v", part, err)
				}
			}
			for _, hidden := range []string{firstKey, secondKey, headerSecret} {
				if strings.Contains(err.Error(), hidden) {
					t.Errorf("the error shows %s: %v", hidden, err)
				}
			}
			if len(row.accounts) > 0 && len(c.got) == 0 {
				t.Error("want the other account told all the same")
			}
		})
	}
}

func TestPosting_isChecked(t *testing.T) {
	p := Posting{
		DestinationAccount: []string{"A", "B"}, URL: "insights", key: "key", Header: []Header{{"a b", "x"}},
		accounts: []Account{{"A", secret.String(firstKey), 0}},
	}
	var got []string
	for _, problem := range p.Check() {
		got = append(got, problem.Path)
	}
	want := []string{"key.destinationAccount[1]", "thirdPartyToolsCredentials.newRelic[0].accountId", "key.url", "key.header[0]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	for _, problem := range (Posting{URL: "https://x.example.com"}).Check() {
		if !problem.Warning {
			t.Errorf("want no more than a warning, got %v", problem)
		}
	}
}
