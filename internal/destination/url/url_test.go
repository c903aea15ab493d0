package url

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"butler/internal/destination"
	"butler/internal/destination/destinationtest"
	"butler/messages"
)

const (
	pathKey   = "T0KEN-IN-THE-PATH"
	queryKey  = "T0KEN+IN THE/QUERY"
	headerKey = "T0KEN-IN-A-HEADER"
	paramKey  = "T0KEN-IN-A-PARAMETER"
)

func config(address string) string {
	var events []string
	for _, kind := range messages.AllKinds() {
		events = append(events, string(kind))
	}
	host := strings.TrimPrefix(address, "http://")
	return `
urlNotification:
  enable: true
  targets:
    - name: wall-board
      url: generic+` + address + `/in/` + pathKey + `?template=json&sig=T0KEN%2BIN+THE%2FQUERY&@Authorization=Bearer+` + headerKey + `
      events: [` + strings.Join(events, ", ") + `]
      headScriptLogLines: 2
      tailScriptLogLines: 3
      params: [{name: apikey, value: ` + paramKey + `}, {name: task, value: "{{taskId}}"}]
    - name: chat
      url: mattermost://butler@` + host + `/` + pathKey + `/ops?disabletls=yes
      events: [reload_task_failed]
      rateLimit: 60
      title: "{{alertTitle}}"
      message: "{{taskName}} on {{hostName}}:\n{{logMessage}}"
      params: [{name: icon, value: ":ghost:"}]
    - name: plain
      url: generic://` + host + `/in/` + pathKey + `?disabletls=yes
      events: [reload_task_aborted]
routes:
  - name: night
    match: {events: [reload_task_failed]}
    url:
      - url: generic+` + address + `/night/` + pathKey + `
        message: "{{taskName}}"
`
}

func TestURL_conformsToDestination(t *testing.T) {
	destinationtest.Run(t, destinationtest.Fixture{
		Definition: Definition(),
		Config:     config,
		Secrets:    []string{pathKey, queryKey, headerKey, paramKey, "T0KEN%2BIN+THE%2FQUERY"},
		Mistakes: `
urlNotification:
  enable: true
  targets:
    - {name: no scheme, url: "` + pathKey + `"}
    - {name: "", url: "nntp://host/` + pathKey + `"}
    - {name: two, url: "telegram://` + pathKey + `@telegram?chats=1"}
    - {name: TWO, url: "gotify://host/` + pathKey + `", events: [reload_task_failed, reload_task_vanished]}
    - {name: three, url: "ntfy://ntfy.sh/` + pathKey + `", title: "{{#if", events: []}
    - {name: four, url: "ntfy://ntfy.sh/` + pathKey + `", params: [{name: title, value: x}, {name: priority, value: "` + paramKey + `"}]}
routes:
  - name: night
    url: [{url: "http://host/` + pathKey + `", message: "{{/if}}"}]
`,
		MistakenPaths: []string{
			"urlNotification.targets[0].url",
			"urlNotification.targets[1].name", "urlNotification.targets[1].url",
			"urlNotification.targets[2].url",
			"urlNotification.targets[3].name", "urlNotification.targets[3].events", "urlNotification.targets[3].url",
			"urlNotification.targets[4].events", "urlNotification.targets[4].title",
			"urlNotification.targets[5].params", "urlNotification.targets[5].params",
			"routes[0].url[0].url", "routes[0].url[0].message",
		},
		Inspect: inspect,
	})
}

func TestURL_reachesPrivateServersOverHTTP(t *testing.T) {
	for name, row := range map[string]struct{ url, answer, method, target, header, body string }{
		"ntfy": {
			"ntfy://butler:T0KEN-OF-NTFY@HOST/alerts?scheme=http&priority=max", `{"id":"a","event":"message"}`,
			"POST", "/alerts", "Title: Reload task failed: Reload of Sales", "Message:        Max retries reached",
		},
		"gotify": {
			"gotify://HOST/sub/AzyoeNS.D4iJLVa?disabletls=yes&priority=8", `{"id":1}`,
			"POST", "/sub/message?token=AzyoeNS.D4iJLVa", "Content-Type: application/json", `"priority": 8`,
		},
		"rooms of Mattermost": {
			"mattermost://HOST/token123/ops?disabletls=yes", "ok",
			"POST", "/hooks/token123", "Content-Type: application/json", `"channel": "ops"`,
		},
		"matrix": {
			"matrix://:syt_token@HOST/?disableTLS=yes&rooms=!ops:example.com", `{"event_id":"$1"}`,
			"PUT", "/_matrix/client/v3/rooms/%21ops:example.com/send/m.room.message/", "Authorization: Bearer syt_token", `"msgtype": "m.text"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []destinationtest.Request
			peer := destinationtest.NewHTTPPeer(t, nil)
			peer.Respond(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got = append(got, destinationtest.Request{Method: r.Method, Target: r.RequestURI, Header: r.Header, Body: body})
				_, _ = io.WriteString(w, row.answer)
			})
			d, err := newSender(Config{}, destination.Use[Target]{
				Settings: target(strings.ReplaceAll(row.url, "HOST", strings.TrimPrefix(peer.URL(), "http://"))),
			}, destinationtest.Deps(t))
			if err != nil {
				t.Fatal(err)
			}
			receipt, err := d.Deliver(t.Context(), sampleNotice(destinationtest.Complete))
			if err != nil || receipt.Status != "200" {
				t.Fatalf("got %+v, %v", receipt, err)
			}
			text := got[len(got)-1].Golden()
			for _, want := range []string{row.method + " " + row.target, row.header, row.body} {
				if !strings.Contains(text, want) {
					t.Errorf("the request lacks %q:\n%s", want, text)
				}
			}
		})
	}
}

// inspect checks that a sample arrived as one message within the limits.
func inspect(t *testing.T, s destinationtest.Sample, received []string) {
	t.Helper()
	if len(received) != 1 {
		t.Fatalf("want one request, got %d", len(received))
	}
	head, body, _ := strings.Cut(received[0], "\n\n")
	if strings.Contains(head, "application/json") {
		var object map[string]string
		if err := json.Unmarshal([]byte(body), &object); err != nil {
			t.Fatalf("the body is no JSON: %v\n%s", err, body)
		}
		if len(object["message"])+len(object["text"]) > 64<<10 || len(object["title"]) > 1000 {
			t.Error("the message is longer than its limits")
		}
		body = object["title"] + "\n" + object["message"] + object["text"]
	}
	for _, missing := range s.Alert.Degraded {
		if !strings.Contains(body, missing) {
			t.Errorf("the message does not say that %q is missing", missing)
		}
	}
	if len(body) > 66<<10 {
		t.Errorf("the message has %d bytes", len(body))
	}
}
