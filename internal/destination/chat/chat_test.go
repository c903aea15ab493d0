package chat_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"butler/internal/destination"
	"butler/internal/destination/chat"
	"butler/internal/destination/destinationtest"
	"butler/internal/httpc"
	"butler/internal/secret"
	"butler/internal/template"
	"butler/messages"
)

// settings are those of a service without anything of its own.
type settings struct{ chat.Settings }

// composer writes the line of a basic message.
type composer struct{ room *chat.Room }

func (c composer) Compose(n messages.Notice) (body []byte, from string, err error) {
	if n.Recipient != "" {
		return nil, "", errors.New("nobody can be written to")
	}
	return []byte(c.room.Line(c.room.Fields(n))), "a line", nil
}

// service takes plain text and hides refusals behind status 200.
func service() chat.Service {
	return chat.Service{
		Section: "irc", Schema: []byte("x"), ContentType: "text/plain", Medium: template.Text,
		ShippedName: func(path string) string { return path + ".shipped" },
		Plain:       func(fields map[string]any) map[string]any { return fields },
		Refusal: func(answer httpc.Answer, _ *http.Request) error {
			if strings.HasPrefix(string(answer.Body), "no:") {
				return destination.Permanent(errors.New("refused"))
			}
			return nil
		},
	}
}

// room builds the destination behind settings.
func room(t *testing.T, s chat.Settings) destination.Destination {
	t.Helper()
	spec := chat.Spec(service(), nil, func(_ settings, r *chat.Room) chat.Composer { return composer{r} })
	built, err := spec.New(chat.Config[settings]{}, destination.Use[settings]{Settings: settings{s}}, destinationtest.Deps(t))
	if err != nil {
		t.Fatal(err)
	}
	return built
}

func noticeTo(recipient string) messages.Notice {
	return destinationtest.NoticeOf(destinationtest.Complete(messages.ReloadTaskFailed), "irc/x", recipient)
}

func TestRoom_postsWhatThePreviewShows(t *testing.T) {
	var got, contentType string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		got, contentType = string(raw), r.Header.Get("Content-Type")
	}))
	defer server.Close()
	to := room(t, chat.Settings{WebhookURL: secret.String(server.URL), BasicMsgTemplate: "failed: {{taskName}}"})
	receipt, err := to.Deliver(t.Context(), noticeTo(""))
	shown, previewed := to.(destination.Previewer).Preview(noticeTo(""))
	if want := "failed: Reload of Sales"; err != nil || previewed != nil || got != want || shown != want {
		t.Errorf("want %q, got %q, preview %q, %v, %v", want, got, shown, err, previewed)
	}
	if receipt.Status != "200" || receipt.Detail != "a line" || contentType != "text/plain" {
		t.Errorf("want what made the message, and the type of the service, got %+v, %s", receipt, contentType)
	}
}

func TestRoom_failsAsTheServiceSays(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "no: too long") }))
	defer server.Close()
	for name, row := range map[string]struct {
		address, recipient string
		kind               destination.ErrorKind
		want               string
	}{
		"refused":             {server.URL, "", destination.PermanentKind, "refused"},
		"cannot be composed":  {server.URL, "somebody", destination.PermanentKind, "encode message: nobody can be written to"},
		"address of no sense": {"http://\x7f/s3cr3t", "", destination.MisconfiguredKind, "webhookURL"},
	} {
		_, err := room(t, chat.Settings{WebhookURL: secret.String(row.address)}).Deliver(t.Context(), noticeTo(row.recipient))
		if kind, _ := destination.KindOf(err); err == nil || kind != row.kind || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: want kind %d and %q, got kind %d: %v", name, row.kind, row.want, kind, err)
		}
	}
}

func TestRoom_lineThatIsEmptyIsReplaced(t *testing.T) {
	for _, line := range []string{"", "{{nothing}}", "{{shout taskName}}"} {
		shown, err := room(t, chat.Settings{BasicMsgTemplate: line}).(destination.Previewer).Preview(noticeTo(""))
		if want := "Reload task failed: Reload of Sales"; err != nil || shown != want {
			t.Errorf("%q: want %q, got %q, %v", line, want, shown, err)
		}
	}
}

func TestRoom_countsALineThatCannotBeUsed(t *testing.T) {
	for line, want := range map[string]int{"{{taskName}}": 0, "{{nothing}}": 0, "{{shout taskName}}": 1} {
		deps := destinationtest.Deps(t)
		bad := destinationtest.BadTemplates(&deps)
		r, err := chat.NewRoom(service(), chat.Settings{BasicMsgTemplate: line}, deps)
		if err != nil {
			t.Fatal(err)
		}
		if r.Line(r.Fields(noticeTo(""))); *bad != want {
			t.Errorf("%s: want %d counted, got %d", line, want, *bad)
		}
	}
}

func TestRoom_looksForItsTemplateAsWrittenAndAsShipped(t *testing.T) {
	deps := destinationtest.Deps(t)
	for written, want := range map[string]string{
		"": "", "mine": filepath.Join(deps.BaseDir, "mine") + " " + filepath.Join(deps.BaseDir, "mine.shipped"),
	} {
		r, err := chat.NewRoom(service(), chat.Settings{TemplateFile: written}, deps)
		if err != nil || strings.Join(r.Files, " ") != want {
			t.Errorf("%q: want %q, got %q, %v", written, want, r.Files, err)
		}
	}
}
