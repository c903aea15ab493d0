package webhook

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/destination"
	"butler/internal/destination/destinationtest"
	"butler/internal/secret"
	"butler/messages"
)

const (
	pathSecret  = "T0P-S3CRET-PATH"
	querySecret = "T0P+S3CRET&QUERY"
	userSecret  = "T0P-S3CRET-PASSWORD"
)

func sampleConfig(address string) string {
	withUser := strings.Replace(address, "://", "://ops:"+userSecret+"@", 1)
	return `
webhookNotification:
  enable: true
  reloadTaskFailure:
    rateLimit: 300
    webhooks:
      - description: Ticket system
        webhookURL: ` + withUser + `/in/` + pathSecret + `?key=` + url.QueryEscape(querySecret) + `
        httpMethod: POST
      - description: Wall board
        webhookURL: ` + address + `/board?key=` + url.QueryEscape(querySecret) + `&event=theirs&x=%zz
        httpMethod: get
  reloadTaskAborted:
    rateLimit: 0
    webhooks:
      - description: Ticket system
        webhookURL: ` + address + `/in/` + pathSecret + `
        httpMethod: Put
`
}

func TestWebhook(t *testing.T) {
	destinationtest.Run(t, destinationtest.Fixture{
		Definition: Definition(),
		Config:     sampleConfig,
		Secrets:    []string{pathSecret, querySecret, url.QueryEscape(querySecret), userSecret},
		Mistakes: `
webhookNotification:
  enable: true
  reloadTaskFailure:
    webhooks:
      - webhookURL: ftp://hooks.example.com/` + pathSecret + `
      - {webhookURL: "https://hooks.example.com", cert: {enable: true, certCA: none.pem}}
      - {webhookURL: "https://hooks.example.com"}
  reloadTaskAborted:
    webhooks: [{webhookURL: "http://[::1/` + pathSecret + `"}, {webhookURL: "http:///` + pathSecret + `"}]
`,
		MistakenPaths: []string{
			"webhookNotification.reloadTaskFailure.webhooks[0].webhookURL",
			"webhookNotification.reloadTaskFailure.webhooks[1].cert.certCA",
			"webhookNotification.reloadTaskAborted.webhooks[0].webhookURL",
			"webhookNotification.reloadTaskAborted.webhooks[1].webhookURL",
		},
		Inspect: inspect,
	})
}

// inspect checks that the texts of a sample arrive as they are, or, in a query, cut.
func inspect(t *testing.T, s destinationtest.Sample, received []string) {
	t.Helper()
	if len(received) != 1 {
		t.Fatalf("want one request, got %d", len(received))
	}
	head, body, _ := strings.Cut(received[0], "\n\n")
	requestLine, _, _ := strings.Cut(head, "\n")
	want := string([]rune(s.Alert.Event.LogMessage))
	if method, target, _ := strings.Cut(requestLine, " "); method == http.MethodGet {
		if len(target) > 8000 {
			t.Errorf("the address has %d bytes", len(target))
		}
		u, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		got := u.Query().Get("logMessage")
		if !strings.HasPrefix(want, got) || len(url.QueryEscape(got)) < min(len(url.QueryEscape(want)), maxQueryMessage-12) {
			t.Errorf("logMessage is %q, want the beginning of %.100q", got, want)
		}
		return
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("the body is no JSON: %v\n%s", err, body)
	}
	if got["logMessage"] != want {
		t.Errorf("logMessage is %q, want %q", got["logMessage"], want)
	}
}

// build builds the destinations of a configuration.
func buildAll(t *testing.T, config string) []destination.Built {
	t.Helper()
	built, err := Definition().Build(destinationtest.Decoder(config, schema), destinationtest.Deps(t))
	if err != nil {
		t.Fatal(err)
	}
	return built
}

func TestInstances_areOnePerWebhookWithTheWindowOfTheirEvent(t *testing.T) {
	want := map[string]time.Duration{
		"webhook/reload_task_failed/1":  300 * time.Second,
		"webhook/reload_task_failed/2":  300 * time.Second,
		"webhook/reload_task_aborted/1": 0,
	}
	got := map[string]time.Duration{}
	for _, b := range buildAll(t, sampleConfig("http://127.0.0.1:1")) {
		got[b.Instance.Name] = b.Instance.Window
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestInstances_areNoneWhenSwitchedOff(t *testing.T) {
	off := strings.Replace(sampleConfig("http://127.0.0.1:1"), "enable: true", "enable: false", 1)
	if got := buildAll(t, off); len(got) > 0 {
		t.Errorf("want none, got %d", len(got))
	}
}

func TestInvalidWebhook_isReportedAndStopsNoOther(t *testing.T) {
	config := `{webhookNotification: {enable: true, reloadTaskFailure: {webhooks: [{webhookURL: "ftp://x/` + pathSecret + `"}, {webhookURL: "https://x"}]}}}`
	built, err := Definition().Build(destinationtest.Decoder(config, schema), destinationtest.Deps(t))
	if len(built) != 1 || built[0].Instance.Name != "webhook/reload_task_failed/2" {
		t.Errorf("want the second alone, got %v", built)
	}
	if err == nil || !strings.Contains(err.Error(), "webhooks[0].webhookURL") || strings.Contains(err.Error(), pathSecret) {
		t.Errorf("want an error about the first without the secret, got %v", err)
	}
}

func TestMissingCAFile_isToldByTheWebhookAndStopsNoOther(t *testing.T) {
	peer := destinationtest.NewHTTPPeer(t, nil)
	built := buildAll(t, `{webhookNotification: {enable: true, reloadTaskFailure: {webhooks: [
{webhookURL: "https://example.com/`+pathSecret+`", cert: {enable: true, certCA: none.pem}}, {webhookURL: "`+peer.URL()+`"}]}}}`)
	if len(built) != 2 {
		t.Fatalf("want both instances, got %d", len(built))
	}
	n := destinationtest.NoticeOf(destinationtest.Complete(messages.ReloadTaskFailed), built[0].Instance.Name, "")
	_, err := built[0].Destination.Deliver(t.Context(), n)
	if kind, _ := destination.KindOf(err); kind != destination.MisconfiguredKind {
		t.Errorf("want a misconfiguration, got %v", err)
	}
	if err == nil || !strings.Contains(err.Error(), "none.pem") || strings.Contains(err.Error(), pathSecret) {
		t.Errorf("want an error about the file without the secret, got %v", err)
	}
	if _, err := built[1].Destination.Deliver(t.Context(), n); err != nil {
		t.Errorf("the other webhook: %v", err)
	}
}

func TestPayload_userFormDependsOnTheEvent(t *testing.T) {
	for kind, want := range map[messages.AlertKind]string{
		messages.ReloadTaskFailed:  `CORP\anna`,
		messages.ReloadTaskAborted: `CORP\\anna`,
	} {
		a := destinationtest.Complete(kind)
		a.Event.User = `CORP\\anna`
		if got := payloadOf(messages.Notice{Alert: a}).User; got != want {
			t.Errorf("%s: user is %s, want %s", kind, got, want)
		}
	}
}

func TestPayload_ownerWithoutAddressHasAnEmptyOne(t *testing.T) {
	a := destinationtest.Complete(messages.ReloadTaskFailed)
	a.Owner.Emails = nil
	text, err := payloadOf(messages.Notice{Alert: a}).json()
	if err != nil || !strings.Contains(string(text), `"appOwnerEmail":""`) {
		t.Errorf("want an empty address, got %s, %v", text, err)
	}
}

func TestPayload_tellsSuppressedAlertsAndTestsOnlyWhenThereAreAny(t *testing.T) {
	n := messages.Notice{Alert: destinationtest.Complete(messages.ReloadTaskFailed)}
	text, _ := payloadOf(n).json()
	if strings.Contains(string(text), "suppressedAlerts") || strings.Contains(string(text), `"test"`) {
		t.Errorf("want neither, got %s", text)
	}
	n.SuppressedBefore, n.Alert.Test = 4, true
	text, _ = payloadOf(n).json()
	if !strings.Contains(string(text), `"suppressedAlerts":4`) || !strings.Contains(string(text), `"test":true`) {
		t.Errorf("want both, got %s", text)
	}
	query := mergeQuery("", payloadOf(n).query())
	if !strings.Contains(query, "suppressedAlerts=4") || !strings.Contains(query, "test=true") {
		t.Errorf("want both, got %s", query)
	}
}

func TestGET_mergesWithTheExistingQuery(t *testing.T) {
	got := mergeQuery("b=2&event=theirs&%65vent=again&a=%zz&&c", []pair{{"event", "ours & more"}, {"x", ""}})
	if want := "b=2&a=%zz&c&event=ours+%26+more&x="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCert_decidesWhomTheWebhookTrusts(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	ca := filepath.Join(dir, "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		cert Cert
		ok   bool
	}{
		"platform trust store":         {Cert{}, false},
		"flag alone changes nothing":   {Cert{RejectUnauthorized: false}, false},
		"own CA":                       {Cert{Enable: true, RejectUnauthorized: true, CertCA: "ca.pem"}, true},
		"verification switched off":    {Cert{Enable: true, CertCA: "ca.pem"}, true},
		"switched off, without a file": {Cert{Enable: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			deps := destinationtest.Deps(t)
			deps.BaseDir = dir
			s, err := newSender(Webhook{WebhookURL: secret.String(server.URL), Cert: row.cert}, deps)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, err = s.Deliver(ctx, destinationtest.NoticeOf(destinationtest.Complete(messages.ReloadTaskFailed), "webhook/x", ""))
			if (err == nil) != row.ok {
				t.Errorf("want success %t, got %v", row.ok, err)
			}
		})
	}
}
