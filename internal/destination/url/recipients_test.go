package url

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/destination"
	"butler/internal/destination/destinationtest"
	"butler/internal/secret"
)

func TestRecipients_haveSeparateQueues(t *testing.T) {
	for _, row := range []struct {
		name, url string
		params    []Param
		want      map[string]string
	}{
		{
			"chats of Telegram", "telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?Chats=-1,@ops, -1&preview=no", nil,
			map[string]string{
				"on call/to/1": "telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?Chats=-1&preview=no",
				"on call/to/2": "telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?Chats=%40ops&preview=no",
			},
		},
		{
			"rooms of Matrix", "matrix://:syt_token@matrix.example.com/?rooms=!ops:example.com,!bi:example.com", nil,
			map[string]string{
				"on call/to/1": "matrix://:syt_token@matrix.example.com/?rooms=%21ops%3Aexample.com",
				"on call/to/2": "matrix://:syt_token@matrix.example.com/?rooms=%21bi%3Aexample.com",
			},
		},
		{
			"numbers of Twilio", "twilio://SID:TOKEN@+15550001/+15550002/%2B15550003", nil,
			map[string]string{"on call/to/1": "twilio://SID:TOKEN@+15550001/+15550002", "on call/to/2": "twilio://SID:TOKEN@+15550001/%2B15550003"},
		},
		{
			"one chat", "telegram://token@telegram?chats=-1", nil,
			map[string]string{"on call": "telegram://token@telegram?chats=-1"},
		},
		{
			"events that params replace", "ifttt://KEY/?events=a,b",
			[]Param{{Name: "Events", Value: "c"}},
			map[string]string{"on call": "ifttt://KEY/?events=a,b"},
		},
		{
			"a service without lists", "ntfy://ntfy.sh/topic?chats=a,b", nil,
			map[string]string{"on call": "ntfy://ntfy.sh/topic?chats=a,b"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := map[string]string{}
			for i, u := range perRecipient(Config{}, destination.Use[Target]{
				Name: "on call", Settings: Target{URL: secret.String(row.url), Params: row.params},
			}) {
				if u.Listed {
					u.Name += "/" + strconv.Itoa(i+1)
				}
				got[u.Name] = u.Settings.URL.Reveal()
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("queues (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRecipients_aRefusedOneDoesNotAffectTheOthers(t *testing.T) {
	w := &wire{answer: func(req *http.Request, body string) (*http.Response, error) {
		if strings.Contains(body, `"-1"`) {
			return answers(http.StatusBadRequest, nil, `{"ok":false}`)(req, body)
		}
		return answers(http.StatusOK, nil, `{"ok":true,"result":{"message_id":1}}`)(req, body)
	}}
	deps := destinationtest.Deps(t)
	deps.HTTP = func(destination.HTTPOptions) (*http.Client, error) { return &http.Client{Transport: w}, nil }
	built, err := Definition().Build(destinationtest.Decoder(`
urlNotification:
  enable: true
  targets:
    - {name: on call, url: "telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?chats=-1,-2,-3", events: [reload_task_failed]}
`, schema), deps)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range built {
		_, err := b.Destination.Deliver(t.Context(), sampleNotice(destinationtest.Complete))
		if refused := err != nil; refused != (b.Instance.Name == "url/on call/to/1") {
			t.Errorf("%s: %v", b.Instance.Name, err)
		}
	}
	if len(w.requests) != 3 {
		t.Errorf("want every chat told, got %d requests", len(w.requests))
	}
}
