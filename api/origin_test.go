package api

import (
	"net/http"
	"testing"
)

// A web page that somebody visits must not start tasks with the rights of his
// browser: its address, its certificate.
func TestAccess_changesNothingForAPageOfAnotherOrigin(t *testing.T) {
	for name, row := range map[string]struct {
		header http.Header
		want   int
	}{
		"a program":                         {nil, 201},
		"a page of another site":            {http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		"a page of a neighbour":             {http.Header{"Sec-Fetch-Site": {"same-site"}}, 403},
		"a page of our own":                 {http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {"http://proxy.example.com"}}, 201},
		"the user":                          {http.Header{"Sec-Fetch-Site": {"none"}}, 201},
		"an old browser, another site":      {http.Header{"Origin": {"http://evil.example.com"}}, 403},
		"an old browser, a hidden origin":   {http.Header{"Origin": {"null"}}, 403},
		"an old browser, a page of our own": {http.Header{"Origin": {"OUR OWN"}}, 201},
	} {
		t.Run(name, func(t *testing.T) {
			c := newContract(t, func(o *Options) { o.KeyValues = newStore() })
			if row.header.Get("Origin") == "OUR OWN" {
				row.header.Set("Origin", c.url)
			}
			c.call("/v4/keyvalues/{namespace}", request{
				name: name, method: "POST", target: "/v4/keyvalues/etl", body: `{"key":"k","value":"v"}`, header: row.header, want: row.want,
			})
			c.call("/v4/butlerping", request{name: "a question", method: "GET", target: "/v4/butlerping", header: row.header, want: 200})
		})
	}
}
