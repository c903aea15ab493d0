package api

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"butler/internal/apikey"
)

// A web page whose name was pointed at this machine is of our own origin for a
// browser. Only the host that it shows tells.
func TestAccess_servesNobodyByANameThatIsNotOurs(t *testing.T) {
	for host, want := range map[string]int{
		"":                           200, // the address of the server
		"127.0.0.1":                  200,
		"127.0.0.1:8080":             200,
		"[::1]:8080":                 200,
		"10.1.2.3":                   200, // no name, so nobody can have pointed it here
		"localhost":                  200,
		"LocalHost:1234":             200,
		"proxy.example.com":          200,
		"PROXY.example.com:443":      200,
		"evil.example.com":           421,
		"evil.example.com:80":        421,
		"localhost.evil.example.com": 421,
		"proxy.example.com.evil.net": 421,
		"127.0.0.1.evil.net":         421,
		"2130706433":                 421, // browsers write it as an address
	} {
		t.Run(host, func(t *testing.T) {
			c := newContract(t, func(o *Options) { o.KeyValues, o.Hosts = newStore(), []string{"Proxy.example.com"} })
			// What a page of such a name sends.
			own := http.Header{"Origin": {"http://" + host}, "Sec-Fetch-Site": {"same-origin"}}
			wantChange := want
			if want == 200 {
				wantChange = 201
			}
			c.call("/v4/butlerping", request{name: "a question", method: "GET", target: "/v4/butlerping", host: host, header: own, want: want})
			c.call("/v4/keyvalues/{namespace}", request{
				name: "a change", method: "POST", target: "/v4/keyvalues/etl", body: `{"key":"k","value":"v"}`, host: host, header: own, want: wantChange,
			})
			c.call("", request{name: "the documentation", method: "GET", target: "/documentation/json", host: host, want: want})
			if want == 421 {
				body := string(c.call("", request{name: "no endpoint", method: "GET", target: "/nowhere", host: host, want: want}))
				if !strings.Contains(body, "restServerConfig.allowedHosts") || !strings.Contains(body, strings.Split(host, ":")[0]) {
					t.Errorf("want the name and the key that fixes it, got %s", body)
				}
				if n := c.logs.FilterMessage("call refused").Len(); n != 1 {
					t.Errorf("want the calls told in one line, got %d", n)
				}
			}
		})
	}
}

func TestAccess_asksForNoNameWhereCallersAreKnown(t *testing.T) {
	anybody := func(string, *tls.ConnectionState) (apikey.Principal, error) {
		return apikey.Principal{Scopes: []apikey.Scope{apikey.Admin}}, nil
	}
	c := newContract(t, func(o *Options) { o.Access = anybody })
	c.call("/v4/butlerping", request{name: "by any name", method: "GET", target: "/v4/butlerping", host: "etl.example.com", want: 200})

	c = newContract(t, func(o *Options) { o.Address = "0.0.0.0:0" })
	c.call("/v4/butlerping", request{name: "on all addresses", method: "GET", target: "/v4/butlerping", host: "etl.example.com", want: 200})

	c = newContract(t, func(o *Options) { o.CallsPerMinute = 1 })
	for _, want := range []int{421, 429} {
		c.call("/v4/butlerping", request{name: "again and again", method: "GET", target: "/v4/butlerping", host: "etl.example.com", want: want})
	}
}
