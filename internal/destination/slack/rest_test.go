package slack

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/secret"
)

// posted sends a message to a webhook that answers so, and returns what that was sent.
func posted(t *testing.T, status int, m Message) (body, contentType string, err error) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		body, contentType = string(raw), r.Header.Get("Content-Type")
		w.WriteHeader(status)
	}))
	defer server.Close()
	err = Webhook{WebhookURL: secret.String(server.URL + webhookPath)}.Post(t.Context(), server.Client(), m)
	return body, contentType, err
}

func TestPost_sendsFormattedTextAndNothingEmpty(t *testing.T) {
	for name, row := range map[string]struct {
		Message
		want string
	}{
		"everything": {Message{"#etl", "ETL bot", "Load *finished* <@U1>", ":gear:"}, `{"blocks":[{"text":{"text":"Load *finished* <@U1>","type":"mrkdwn"},"type":"section"}],"channel":"#etl","icon_emoji":":gear:","username":"ETL bot"}`},
		"text alone": {Message{Text: "5 < 6"}, `{"blocks":[{"text":{"text":"5 < 6","type":"mrkdwn"},"type":"section"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			body, contentType, err := posted(t, http.StatusOK, row.Message)
			if diff := cmp.Diff(row.want, strings.TrimSpace(body)); err != nil || diff != "" || !strings.HasPrefix(contentType, "application/json") {
				t.Errorf("%v, %s, payload (-want +got):\n%s", err, contentType, diff)
			}
		})
	}
}

func TestPost_cutsWhatSlackWouldRefuse(t *testing.T) {
	body, _, err := posted(t, http.StatusOK, Message{Text: strings.Repeat("x", 2*maxText)})
	if n := strings.Count(body, "x"); err != nil || n < maxText/2 || n > maxText {
		t.Errorf("want a text of at most %d characters, got %d, %v", maxText, n, err)
	}
}

func TestPost_tellsOfAFailureWithoutTheAddress(t *testing.T) {
	_, _, err := posted(t, http.StatusForbidden, Message{Text: "m"})
	if err == nil || !strings.Contains(err.Error(), "403") || strings.Contains(err.Error(), "s3cr3tW3bh00k") {
		t.Errorf("want the status and no secret, got %v", err)
	}
	if err := (Webhook{}).Post(t.Context(), http.DefaultClient, Message{Text: "m"}); err == nil || !strings.Contains(err.Error(), restKey) {
		t.Errorf("want to be told which key is missing, got %v", err)
	}
}

func TestWebhook_isChecked(t *testing.T) {
	for address, want := range map[string]string{"https://hooks.example.com/x": "", "ftp://x": "wrong", "": "warning"} {
		got := ""
		for _, p := range (Webhook{WebhookURL: secret.String(address)}).Check() {
			got = map[bool]string{true: "warning", false: "wrong"}[p.Warning]
		}
		if got != want {
			t.Errorf("%q: want %q, got %q", address, want, got)
		}
	}
}
