package api

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"butler/api/web"
	"butler/internal/apikey"
)

// known lets three keys in.
func known(key string, _ *tls.ConnectionState) (apikey.Principal, error) {
	switch key {
	case "reader":
		return apikey.Principal{Name: "reader", Scopes: []apikey.Scope{apikey.Read}}, nil
	case "writer":
		return apikey.Principal{Name: "writer", Scopes: []apikey.Scope{apikey.KV}}, nil
	case "admin":
		return apikey.Principal{Name: "admin", Scopes: []apikey.Scope{apikey.Admin}}, nil
	case "revoked":
		return apikey.Principal{}, apikey.Refusal{Reason: apikey.Revoked, Credential: "key 17"}
	case "":
		return apikey.Principal{}, apikey.Refusal{Reason: apikey.Missing}
	default:
		return apikey.Principal{}, apikey.Refusal{Reason: apikey.Malformed}
	}
}

func withKey(key string) http.Header { return http.Header{"X-Api-Key": {key}} }

// A body takes memory before its sender is known: a stranger gets little of it.
func TestAccess_takesNoLargeBodyFromAStranger(t *testing.T) {
	c := newContract(t, func(o *Options) { o.KeyValues, o.Access = newStore(), known })
	value := strings.Repeat("v", web.SmallBody)
	r := request{method: "POST", target: "/v4/keyvalues/etl", body: `{"key":"k","value":"` + value + `"}`}
	for name, row := range map[string]struct {
		header http.Header
		body   string
		want   int
	}{
		"a stranger":              {nil, r.body, 413},
		"a guess":                 {withKey("guess"), r.body, 413},
		"a stranger with little":  {nil, `{"key":"k","value":"v"}`, 401},
		"somebody with the right": {withKey("writer"), r.body, 201},
	} {
		r.name, r.header, r.body, r.want = name, row.header, row.body, row.want
		c.call("/v4/keyvalues/{namespace}", r)
	}
}

// Tags of tasks say nothing about a message.
func TestAccess_whoIsBoundToTagsSendsNoMessages(t *testing.T) {
	c := newContract(t, func(o *Options) { o.Access = startKeys })
	for _, row := range []struct{ method, path string }{
		{"PUT", "/v4/slackpostmessage"}, {"POST", "/v4/newrelic/event"}, {"POST", "/v4/newrelic/metric"}, {"PUT", "/v4/mqttpublishmessage"},
	} {
		c.call(row.path, request{name: row.path, method: row.method, target: row.path, body: "{}", header: withKey("hr"), want: 403})
	}
}

func TestAccess_needsAKeyWithTheScope(t *testing.T) {
	const ping, values = "/v4/butlerping", "/v4/keyvalues/{namespace}"
	put := request{name: "put", method: "POST", target: "/v4/keyvalues/etl", body: `{"key":"k","value":"v"}`}
	for name, row := range map[string]struct {
		path   string
		header http.Header
		want   int
	}{
		"no key":               {ping, nil, 401},
		"a wrong key":          {ping, withKey("guess"), 401},
		"a key":                {ping, withKey("reader"), 200},
		"a bearer":             {ping, http.Header{"Authorization": {"bearer reader"}}, 200},
		"another scheme":       {ping, http.Header{"Authorization": {"Basic reader"}}, 401},
		"a key of another":     {values, withKey("reader"), 403},
		"the key for it":       {values, withKey("writer"), 201},
		"the key for all":      {values, withKey("admin"), 201},
		"no key for a change":  {values, nil, 401},
		"the key of the store": {ping, withKey("writer"), 403},
	} {
		t.Run(name, func(t *testing.T) {
			c := newContract(t, func(o *Options) { o.KeyValues, o.Access = newStore(), known })
			r := put
			if row.path == ping {
				r = request{name: "ping", method: "GET", target: ping}
			}
			r.header, r.want = row.header, row.want
			c.call(row.path, r)
			changed := c.logs.FilterMessage("api call").FilterLoggerName("audit")
			if (changed.Len() == 1) != (row.want == 201) {
				t.Errorf("status %d, and the audit log has %v", row.want, changed.All())
			}
			if row.want != 201 {
				return
			}
			line := changed.All()[0].ContextMap()
			if line["caller"] == "" {
				t.Error("the audit log does not say who it was")
			}
			if line["namespace"] != "etl" || line["key"] != "k" || line["value"] != nil {
				t.Errorf("want the audit log to name the key and not the value, got %v", line)
			}
		})
	}
}

// Everything in the table asks who calls, whatever it does.
func TestContract_everyOperationWantsAKeyWithItsScope(t *testing.T) {
	c := newContract(t, func(o *Options) { o.Access = known })
	for _, e := range (&rest{}).endpoints() {
		target := strings.NewReplacer("{", "", "}", "").Replace(e.path)
		other := "writer"
		if e.scope == apikey.KV {
			other = "reader"
		}
		c.call(e.path, request{name: "nobody: " + newRoute(e).title, method: e.method, target: target, want: 401})
		c.call(e.path, request{name: "somebody else: " + newRoute(e).title, method: e.method, target: target, header: withKey(other), want: 403})
	}
}

// What is too large is refused before anybody looks at it, and described.
func TestContract_everyBodyIsBounded(t *testing.T) {
	c := newContract(t, nil)
	for _, e := range (&rest{}).endpoints() {
		if dig(c.doc, "paths", e.path, strings.ToLower(e.method), "requestBody") == nil {
			continue
		}
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(c.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n", e.method, e.path, web.MaxBody+1)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: want status 413, got %d, %v", newRoute(e).title, answer.StatusCode, err)
		}
		c.check(newRoute(e).title, e.path, strings.ToLower(e.method), answer, body)
		conn.Close()
	}
}
