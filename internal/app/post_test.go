package app_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"butler/internal/demo"
)

// postConfig serves the endpoints for messages; %s is where they go.
const postConfig = `
  restServerConfig: {enable: true, serverHost: 127.0.0.1, serverPort: 0, maxCallsPerMinute: 0}
  restServerEndpointsEnable: {slackPostMessage: true, newRelic: {postNewRelicEvent: true, postNewRelicMetric: true}}
  restServerEndpointsConfig:
    newRelic:
      postNewRelicEvent: {destinationAccount: [Operations], url: "%[1]s/"}
      postNewRelicMetric: {destinationAccount: [Operations], url: "%[1]s/metric/v1"}
  thirdPartyToolsCredentials: {newRelic: [{accountName: Operations, insertApiKey: S3CR3T-KEY, accountId: 1001}]}
`

func TestREST_passesMessagesOn(t *testing.T) {
	received := make(chan string, 10)
	there := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		received <- r.URL.Path + " " + string(body)
	}))
	defer there.Close()
	// No kept connection may still be open when it has gone: a call over one
	// would end without an answer instead of being refused.
	there.Config.SetKeepAlivesEnabled(false)
	s := startSite(t, demo.Settings{InMemory: true, Off: demo.Destinations, Extra: fmt.Sprintf(postConfig, there.URL)},
		"BUTLER_SLACKNOTIFICATION_RESTMESSAGE_WEBHOOKURL="+there.URL+"/services/S3CR3T-HOOK")
	for _, row := range []struct{ method, path, body, want string }{
		{"PUT", "/v4/slackpostmessage", `{"channel":"#etl","from_user":"bot","msg":"done"}`, `"text":"done"`},
		{"POST", "/v4/newrelic/event", `{"eventType":"reloadDone"}`, "/v1/accounts/1001/events "},
		{"POST", "/v4/newrelic/metric", `{"name":"rows","type":"gauge","value":7}`, `"value":7`},
	} {
		status, text := s.call(row.method, row.path, row.body)
		if status/100 != 2 {
			t.Errorf("%s: want it accepted, got %d with %s", row.path, status, text)
			continue
		}
		if got := <-received; !strings.Contains(got, row.want) {
			t.Errorf("%s: want %s in what is sent, got %s", row.path, row.want, got)
		}
	}
	there.Close()
	s.wantCall("PUT", "/v4/slackpostmessage", `{"channel":"#etl","from_user":"bot","msg":"done"}`, 500, "refuses connections")
	s.wantCall("POST", "/v4/newrelic/event", `{"eventType":"reloadDone"}`, 500, "1 of 1 accounts did not accept it: Operations")
	for _, line := range s.logs.All() {
		if text := fmt.Sprint(line.Message, line.ContextMap()); strings.Contains(text, "S3CR3T") {
			t.Errorf("a secret is in the log: %s", text)
		}
	}
}
