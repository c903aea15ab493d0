package pages

import (
	"strings"
	"testing"

	"butler/api/web/webtest"
)

func TestLiveness_answersInTheKnownForm(t *testing.T) {
	alive, reason := true, ""
	server, err := ListenLiveness(nil, "127.0.0.1:0", func() (bool, string) { return alive, reason })
	if err != nil {
		t.Fatal(err)
	}
	webtest.Serve(t, server)
	for _, row := range []struct {
		name, method, path string
		alive              bool
		want               int
		body               string
	}{
		{"alive", "GET", "/health", true, 200, `{"statusCode":200,"status":"ok"}`},
		{"dead", "GET", "/health", false, 500, `{"statusCode":500,"status":"ko","reason":"udp: closed"}`},
		{"head", "HEAD", "/health", true, 200, ""},
		{"elsewhere", "GET", "/", true, 404, `{"statusCode":404,"error":"Not Found","message":"Route GET:/ not found"}`},
		{"method", "POST", "/health", true, 405, `{"statusCode":405,"error":"Method Not Allowed","message":"use GET"}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if alive, reason = row.alive, ""; !alive {
				reason = "udp: closed"
			}
			resp, body := webtest.Answer(t, webtest.Client, webtest.Request(t, row.method, "http://"+server.Address()+row.path, ""))
			if resp.StatusCode != row.want || strings.TrimSpace(body) != row.body {
				t.Errorf("want %d %s, got %s %s", row.want, row.body, resp.Status, body)
			}
		})
	}
}
