package url

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"go.uber.org/zap"

	"butler/internal/destination"
	"butler/internal/destination/destinationtest"
	"butler/internal/secret"
	"butler/messages"
)

// urls has an example URL of every service, the address to which a message is sent, and
// the answer of the service if it accepts one.
var urls = map[string]struct{ url, host, answer string }{
	"bark":       {"bark://:devicekey1234@bark.example.com/", "bark.example.com", `{"code":200,"message":"success"}`},
	"discord":    {"discord://Token-1234567890@693853386302554172", "discord.com", ""},
	"generic":    {"generic://hooks.example.com/in/key12345", "hooks.example.com", "ok"},
	"googlechat": {"googlechat://chat.googleapis.com/v1/spaces/FOO/messages?key=keykeykey&token=tokentoken", "chat.googleapis.com", "{}"},
	"gotify":     {"gotify://gotify.example.com/AzyoeNS.D4iJLVa", "gotify.example.com", `{"id":5}`},
	"ifttt":      {"ifttt://webhookid1234/?events=task_failed", "maker.ifttt.com", "Congratulations!"},
	"join":       {"join://shoutrrr:apikey123456@join/?devices=device1", "joinjoaomgcd.appspot.com", `{"success":true}`},
	"lark":       {"lark://open.larksuite.com/token1234567", "open.larksuite.com", `{"code":0}`},
	"matrix":     {"matrix://:syt_token12345@matrix.example.com/?rooms=!ops:example.com", "matrix.example.com", `{"event_id":"$1","room_id":"!ops:example.com"}`},
	"mattermost": {"mattermost://butler@chat.example.com/token1234567890/ops", "chat.example.com", "ok"},
	"notifiarr":  {"notifiarr://apikey1234567?channel=123456789012345678", "notifiarr.com", `{}`},
	"ntfy":       {"ntfy://ntfy.sh/butler-alerts?priority=high&tags=warning", "ntfy.sh", `{"id":"abc","event":"message"}`},
	"opsgenie":   {"opsgenie://api.opsgenie.com/eb243592-faa2-4ba2-a551q-1afdf565c889", "api.opsgenie.com", `{"result":"Request will be processed"}`},
	"pagerduty":  {"pagerduty:///eb243592faa24ba2a5511afdf565c889?severity=critical&source=sense", "events.pagerduty.com", `{"status":"success"}`},
	"pushbullet": {"pushbullet://o.0123456789012345678901234567890a/device", "api.pushbullet.com", ""},
	"pushover":   {"pushover://shoutrrr:apitoken1234@userkey1234/?priority=1", "api.pushover.net", `{"status":1}`},
	"rocketchat": {"rocketchat://chat.example.com/tokenA1234567/tokenB1234567/ops", "chat.example.com", `{"success":true}`},
	"signal":     {"signal://signal.example.com:8080/+1234567890/+0987654321", "signal.example.com", `{"timestamp":"1"}`},
	"slack":      {"slack://hook:WNA3PBYV6-F20DUQND3RQ-Webc4MAvoacrpPakR8phF0zi@webhook", "hooks.slack.com", "ok"},
	"teams":      {"teams://?host=" + url.QueryEscape("https://prod-00.westus.logic.azure.com:443/workflows/abc123/triggers/manual/paths/invoke?api-version=1&sig=SIGSIGSIG"), "prod-00.westus.logic.azure.com", ""},
	"telegram":   {"telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?chats=-1001234567", "api.telegram.org", `{"ok":true,"result":{"message_id":1}}`},
	"twilio":     {"twilio://AC0123456789abcdef0123456789abcdef:authtoken1234@+15551234567/+15559876543", "api.twilio.com", `{"sid":"SM1"}`},
	"wecom":      {"wecom://693axxx6-7aoc-4bc4-97a0-0ec2sifa5aaa", "qyapi.weixin.qq.com", `{"errcode":0}`},
	"zulip":      {"zulip://bot%40example.com:apikey12345@zulip.example.com?stream=ops", "zulip.example.com", `{"result":"success"}`},
}

// wire is a transport that records the requests and answers them.
type wire struct {
	answer   func(*http.Request, string) (*http.Response, error)
	requests []destinationtest.Request
	hosts    []string
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	body := ""
	if req.Body != nil {
		raw, _ := io.ReadAll(req.Body)
		req.Body.Close()
		body = string(raw)
	}
	w.hosts = append(w.hosts, req.URL.Hostname())
	w.requests = append(w.requests, destinationtest.Request{
		Method: req.Method, Target: req.URL.Scheme + "://" + req.URL.Host + req.URL.RequestURI(), Header: req.Header.Clone(), Body: []byte(body),
	})
	return w.answer(req, body)
}

func answers(code int, header http.Header, body string) func(*http.Request, string) (*http.Response, error) {
	return func(req *http.Request, _ string) (*http.Response, error) {
		if header == nil {
			header = http.Header{}
		}
		return &http.Response{StatusCode: code, Header: header, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
	}
}

// echoes answers as Pushbullet does, with the message.
func echoes(req *http.Request, body string) (*http.Response, error) {
	return answers(http.StatusOK, nil, strings.Replace(body, "{", `{"active":true,`, 1))(req, body)
}

func (w *wire) sender(t *testing.T, target Target) destination.Destination {
	t.Helper()
	deps := destinationtest.Deps(t)
	deps.Log = zap.NewNop()
	deps.HTTP = func(destination.HTTPOptions) (*http.Client, error) { return &http.Client{Transport: w}, nil }
	use := destination.Use[Target]{Name: "x", Path: "routes[0].url[0]", Settings: target}
	if problems := check(Config{}, use, deps); len(problems) > 0 {
		t.Fatalf("%v", problems)
	}
	d, err := newSender(Config{}, use, deps)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func target(raw string) Target {
	return Target{URL: secret.String(raw), Title: "{{alertTitle}}: {{taskName}}", TailScriptLogLines: 3}
}

func sampleNotice(form func(messages.AlertKind) messages.Alert) messages.Notice {
	return destinationtest.NoticeOf(form(messages.ReloadTaskFailed), "url/x", "")
}

var transaction = regexp.MustCompile(`(send/m\.room\.message/)[^ ?\n]+`)

func TestProviders_sendOneMessageThroughTheGivenClient(t *testing.T) {
	if len(urls) != len(providers) {
		t.Fatalf("there are %d examples for %d services", len(urls), len(providers))
	}
	for scheme, row := range urls {
		t.Run(scheme, func(t *testing.T) {
			w := &wire{answer: answers(http.StatusOK, nil, row.answer)}
			if scheme == "pushbullet" {
				w.answer = echoes
			}
			if _, err := w.sender(t, target(row.url)).Deliver(t.Context(), sampleNotice(destinationtest.Complete)); err != nil {
				t.Fatal(err)
			}
			last := w.requests[len(w.requests)-1]
			if len(w.requests) != 1 && scheme != "matrix" {
				t.Errorf("want one request, got %d", len(w.requests))
			}
			if w.hosts[0] != row.host {
				t.Errorf("the message went to %s, want %s", w.hosts[0], row.host)
			}
			text := last.Golden()
			if decoded, err := url.QueryUnescape(text); err == nil {
				text = decoded
			}
			for _, want := range []string{"Reload task failed: Reload of Sales", "line 60"} {
				if scheme == "pagerduty" && want == "line 60" {
					continue // its summary has room for the head only
				}
				if !strings.Contains(text, want) {
					t.Errorf("the message lacks %q:\n%s", want, text)
				}
			}
			destinationtest.Golden(t, "service_"+scheme, transaction.ReplaceAllString(last.Golden(), "${1}ID"))
		})
	}
}

func TestProviders_getOneMessageWithinTheirLimitsForAnyData(t *testing.T) {
	for scheme, row := range urls {
		for name, form := range map[string]func(messages.AlertKind) messages.Alert{
			"hostile": destinationtest.Hostile, "overlong": destinationtest.Overlong, "degraded": destinationtest.Degraded,
		} {
			t.Run(scheme+" "+name, func(t *testing.T) {
				w := &wire{answer: answers(http.StatusOK, nil, row.answer)}
				if scheme == "pushbullet" {
					w.answer = echoes
				}
				if _, err := w.sender(t, target(row.url)).Deliver(t.Context(), sampleNotice(form)); err != nil {
					t.Fatal(err)
				}
				if len(w.requests) != 1 && scheme != "matrix" {
					t.Errorf("want one request, got %d", len(w.requests))
				}
				body := w.requests[len(w.requests)-1].Body
				if !utf8.Valid(body) || bytes.Contains(body, []byte("\ufffd")) || bytes.Contains(body, []byte(`\ufffd`)) {
					t.Errorf("a character was split: %q", body)
				}
				if p := providers[scheme]; p.chat && (bytes.Contains(body, []byte("<!channel>")) || bytes.Contains(body, []byte(`\u003c!channel`))) {
					t.Errorf("the name of a task calls a channel: %s", body)
				}
			})
		}
	}
}

func TestProviders_showTheNotes(t *testing.T) {
	for scheme, row := range urls {
		t.Run(scheme, func(t *testing.T) {
			w := &wire{answer: answers(http.StatusOK, nil, row.answer)}
			if scheme == "pushbullet" {
				w.answer = echoes
			}
			custom := target(row.url)
			custom.Message = "{{taskName}}"
			n := sampleNotice(destinationtest.Degraded)
			n.Alert.Test, n.SuppressedBefore = true, 7
			if _, err := w.sender(t, custom).Deliver(t.Context(), n); err != nil {
				t.Fatal(err)
			}
			text := w.requests[len(w.requests)-1].Golden()
			if decoded, err := url.QueryUnescape(text); err == nil {
				text = decoded
			}
			for _, want := range []string{"test alert", "Details are missing", "7 earlier alerts"} {
				if !strings.Contains(text, want) {
					t.Errorf("the message does not say %q:\n%s", want, text)
				}
			}
		})
	}
}

func TestDiscord_getsOneMessageForAnyTemplate(t *testing.T) {
	for range 20 { // the order of parameters is random
		w := &wire{answer: answers(http.StatusNoContent, nil, "")}
		split := target(urls["discord"].url + "?splitLines=yes")
		split.Params = []Param{{"splitlines", "yes"}}
		if _, err := w.sender(t, split).Deliver(t.Context(), sampleNotice(destinationtest.Complete)); err != nil || len(w.requests) != 1 {
			t.Fatalf("got %d requests, %v", len(w.requests), err)
		}
	}
}

func TestWithoutMentions_disablesMentions(t *testing.T) {
	for text, want := range map[string]string{
		"@channel":            "@\u200bchannel",
		"to @here, @all":      "to @\u200bhere, @\u200ball",
		"bo@example.com":      "bo@example.com",
		"x .@channel, -@all":  "x .@\u200bchannel, -@\u200ball",
		"_@here +@here %@me":  "_@\u200bhere +@\u200bhere %@\u200bme",
		"[t](https://e.com)":  "[t]\u200b(https://e.com)",
		"<!everyone> <@U123>": "<\u200b!everyone> <\u200b@\u200bU123>",
		"@**all**":            "@\u200b**all**",
		`<at user_id="all">`:  "<\u200bat user_id=\"all\">",
		"a < b, 3 @ 4":        "a < b, 3 @ 4",
	} {
		if got := withoutMentions(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestTemplates_thatFailAreReplacedAndCounted(t *testing.T) {
	deps := destinationtest.Deps(t)
	bad := destinationtest.BadTemplates(&deps)
	use := destination.Use[Target]{Name: "x", Settings: Target{
		URL: "ntfy://ntfy.example.com/ops", Title: "{{taskName}}", Message: "{{shout taskName}}",
	}}
	d, err := newSender(Config{}, use, deps)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := d.(destination.Previewer).Preview(sampleNotice(destinationtest.Complete))
	if err != nil || !strings.Contains(shown, destinationtest.TaskID) || *bad != 1 {
		t.Errorf("want what can be said without a template, and a count of 1, got %q, %v and %d", shown, err, *bad)
	}
}
