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
	"slices"
	"strings"
	"testing"
	"time"

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

// sampleConfig switches everything on: all sections, and routes for the events without one.
func sampleConfig(address string) string {
	withUser := strings.Replace(address, "://", "://ops:"+userSecret+"@", 1)
	return strings.NewReplacer(
		"{secret}", address+"/in/"+pathSecret, "{user}", withUser+"/in/"+pathSecret, "{address}", address,
		"{query}", "key="+url.QueryEscape(querySecret),
	).Replace(`
webhookNotification:
  enable: true
  reloadTaskFailure:
    rateLimit: 300
    webhooks:
      - {description: Ticket system, webhookURL: "{user}?{query}", httpMethod: POST}
      - {description: Wall board, webhookURL: "{address}/board?{query}&event=theirs&x=%zz", httpMethod: get}
  reloadTaskAborted:
    rateLimit: 0
    webhooks:
      - {description: Ticket system, webhookURL: "{secret}", httpMethod: Put}
  serviceMonitor:
    webhooks: [{webhookURL: "{secret}"}, {webhookURL: "{secret}", httpMethod: GET}]
  qlikSenseServerLicenseMonitor:
    rateLimit: 60
    webhooks: [{webhookURL: "{secret}"}, {webhookURL: "{secret}", httpMethod: GET}]
  qlikSenseServerLicenseExpiryAlert:
    rateLimit: 1.5
    webhooks: [{webhookURL: "{secret}"}, {webhookURL: "{secret}", httpMethod: GET}]
serviceMonitor: {enable: true, alertDestination: {webhook: {enable: true}}}
qlikSenseLicense: {serverLicenseMonitor: {enable: true, destination: {webhook: {enable: true, sendRecurring: {enable: true}, sendAlert: {enable: true}}}}}
qlikSenseCloud: {enable: true, event: {mqtt: {tenant: {alert: {webhookNotification: {reloadAppFailure: {enable: true, rateLimit: 30,
  alertEnableByTag: {enable: false, tag: Butler alerts},
  webhooks: [{webhookURL: "{secret}"}, {webhookURL: "{secret}", httpMethod: GET}]}}}}}}}
routes:
  - name: rest
    match: {events: [succeeded, external_program_task_failed, user_sync_task_failed, distribute_task_failed, preload_task_failed, windows_service_status]}
    webhook: [{webhookURL: "{secret}"}]
`)
}

func TestWebhook_keepsTheContractOfADestination(t *testing.T) {
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
	sent := messageOf(messages.Notice{Alert: s.Alert})
	if method, target, _ := strings.Cut(requestLine, " "); method == http.MethodGet {
		if len(target) > 8000 {
			t.Errorf("the address has %d bytes", len(target))
		}
		u, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		query := u.Query()
		for _, p := range sent.pairs() {
			got, want := query.Get(p.name), string([]rune(p.value))
			if !slices.Contains(query[p.name], want) && (!strings.HasPrefix(want, got) || len(got) < minQueryValue) {
				t.Errorf("%s is %q, want the beginning of %.100q", p.name, got, want)
			}
		}
		return
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("the body is no JSON: %v\n%s", err, body)
	}
	for _, f := range sent {
		if text, ok := f.value.(string); ok && got[f.name] != string([]rune(text)) {
			t.Errorf("%s is %q, want %q", f.name, got[f.name], text)
		}
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
	built := destinationtest.Built(t, Definition(), `{webhookNotification: {enable: true, reloadTaskFailure: {webhooks: [
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

func TestMissingCAFile_thatComesLaterIsEnough(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	deps := destinationtest.Deps(t)
	deps.BaseDir = t.TempDir()
	target := Target{Webhook: Webhook{WebhookURL: secret.String(server.URL), Cert: Cert{Enable: true, RejectUnauthorized: true, CertCA: "ca.pem"}}}
	s, err := newSender(Config{}, destination.Use[Target]{Settings: target}, deps)
	if err != nil {
		t.Fatal(err)
	}
	n := destinationtest.NoticeOf(destinationtest.Complete(messages.ReloadTaskFailed), "webhook/x", "")
	if _, err := s.Deliver(t.Context(), n); err == nil {
		t.Fatal("delivered without the CA file")
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(deps.BaseDir, "ca.pem"), block, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Deliver(t.Context(), n); err != nil {
		t.Errorf("with the CA file: %v", err)
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
			s, err := newSender(Config{}, destination.Use[Target]{Settings: Target{Webhook: Webhook{WebhookURL: secret.String(server.URL), Cert: row.cert}}}, deps)
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
