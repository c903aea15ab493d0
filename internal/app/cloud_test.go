package app_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"butler/config"
	"butler/internal/apikey"
	"butler/internal/app"
	"butler/internal/cloudevent"
	"butler/internal/demo"
	"butler/internal/porttest"
	"butler/internal/sim/cloudsim"
	"butler/internal/sim/edge"
	"butler/internal/sim/sink"
	"butler/internal/trail"
	"butler/messages"
)

const (
	cloudApp    = "0f9a2d0c-6a2b-4a1b-8d0c-2f6a1b3c4d5e"
	cloudToken  = "a-token-of-the-tenant"
	cloudSecret = "a-secret-of-the-webhook"
	cloudPath   = "/v4/qlikcloud/event"
)

// simulatedTenant has one app, its owner, the user who reloads it, and reloads r-1 to r-9.
func simulatedTenant(t *testing.T) *cloudsim.Server {
	t.Helper()
	s := cloudsim.New(cloudsim.Options{Token: cloudToken})
	must(t, s.Start())
	t.Cleanup(s.Stop)
	s.Add(
		cloudsim.App{ID: cloudApp, Name: "Stock", Description: "Of all warehouses", OwnerID: "own-1", Tags: []string{"prod", "Butler alerts"}, Size: 7_340_032},
		cloudsim.User{ID: "own-1", Name: "Bo Ek", Email: "bo@example.com"},
		cloudsim.User{ID: "usr-1", Name: "Anna Berg", Email: "anna@example.com"},
	)
	for n := range 9 {
		s.Add(cloudsim.Reload{
			ID: "r-" + strconv.Itoa(n+1), AppID: cloudApp, UserID: "usr-1", Trigger: "chronos", ErrorCode: "EngineConnectorError", ErrorMessage: "no answer",
			Start: time.Date(2031, 5, 2, 8, 14, 48, 0, time.UTC), Took: 42 * time.Second, Log: "the first line\r\nthe middle\r\nthe last line",
		})
	}
	return s
}

// cloudConfig watches a tenant; %s are its address, the destinations and further sections.
const cloudConfig = `
  restServerConfig: {enable: true, serverHost: 127.0.0.1, serverPort: %d, maxCallsPerMinute: 0}
  restServerEndpointsEnable: {qlikCloudEvent: true}
  qlikSenseCloud:
    enable: true
    event:
      webhook: {secret: ` + cloudSecret + `}
      mqtt:
        tenant:
          id: ten-1
          tenantUrl: %s
          auth: {jwt: {token: ` + cloudToken + `}}
          qlikSenseUrls: {qmc: "https://tenant.example.com/console", hub: "https://tenant.example.com/hub"}
          comment: Production
          alert:
            emailNotification: {reloadAppFailure: {enable: true, rateLimit: 0, fromAddress: butler@example.com, recipients: [ops@example.com], headScriptLogLines: 1, tailScriptLogLines: 1%[3]s}}
            slackNotification: {reloadAppFailure: {enable: true, rateLimit: 0, webhookURL: "%[4]s/slack/cloud", messageType: basic, headScriptLogLines: 1, tailScriptLogLines: 1%[3]s}}
            teamsNotification: {reloadAppFailure: {enable: true, rateLimit: 0, webhookURL: "%[4]s/teams/cloud", messageType: basic, headScriptLogLines: 1, tailScriptLogLines: 1%[3]s}}
            webhookNotification: {reloadAppFailure: {enable: true, rateLimit: 0%[3]s, webhooks: [{description: tickets, webhookURL: "%[4]s/hook/cloud", httpMethod: POST}]}}
`

// cloudSite starts a service that watches a tenant; gate is more of each destination.
func cloudSite(t *testing.T, s *site, from *cloudsim.Server, gate, more string) {
	t.Helper()
	extra := fmt.Sprintf(cloudConfig, 0, from.URL(), gate, s.sim.HTTP.URL()) + more
	s.startApp(demo.Settings{InMemory: true, DegradedAfter: "2s", Off: []string{"influxdb", "disklog"}, Extra: extra})
}

// bring calls the webhook as Qlik Cloud does.
func (s *site) bring(event []byte) (status int, answer string) {
	s.t.Helper()
	return s.call("POST", cloudPath, string(event), cloudevent.Signature, cloudsim.Sign(cloudSecret, event))
}

func (s *site) wantBrought(event []byte, status int, answer string) {
	s.t.Helper()
	if got, text := s.bring(event); got != status || !strings.Contains(text, answer) {
		s.t.Errorf("want %d with %q, got %d with %s", status, answer, got, text)
	}
}

// received returns what arrived below a path of the HTTP sink.
func (s *site) received(path string) string {
	var out strings.Builder
	for _, r := range s.sim.HTTP.History().All() {
		if strings.HasPrefix(r.Path, path) {
			out.Write(r.Body)
		}
	}
	return out.String()
}

func (s *site) wantMentioned(where, text string, wanted ...string) {
	s.t.Helper()
	for _, w := range wanted {
		if !strings.Contains(text, w) {
			s.t.Errorf("%s does not mention %q:\n%.3000s", where, w, text)
		}
	}
}

func TestCloud_tellsEveryDestinationOfAFailedReload(t *testing.T) {
	const archive = "BUTLER_SCRIPTLOG_STOREONDISK_QSCLOUD_APPRELOADFAILURE_"
	from, s := simulatedTenant(t), siteOf(t, archive+"ENABLE=true", archive+"LOGDIRECTORY=cloudlogs")
	cloudSite(t, s, from, "", brokerConfig(t, s))
	s.wantBrought(from.Event("r-1", "ok"), 202, "ignored")
	s.wantBrought(from.Event("r-1", "error"), 202, "accepted")
	s.wantBrought(from.Event("r-1", "error"), 202, "duplicate")
	s.idle(6)

	wantStory(t, s.explain("r-1"), trail.Delivered, "decided  a failed app reload in Qlik Cloud, alert decided: cloud_app_reload_failed, 6 messages", "accepted in")
	mail, err := s.sim.SMTP.Messages().Await(t.Context(), func(m sink.Mail) bool { return strings.Contains(m.Subject, "Stock") })
	must(t, err)
	s.wantMentioned("the mail", mail.HTML, "Anna Berg", "Bo Ek", "the first line", "the last line", "no answer", "https://tenant.example.com/console")
	s.wantMentioned("Slack", s.received("/slack/cloud"), "Stock", "https://tenant.example.com/hub")
	s.wantMentioned("Teams", s.received("/teams/cloud"), "Stock", "https://tenant.example.com/console")
	s.wantMentioned("the webhook", s.received("/hook/cloud"), `"r-1"`, "Anna Berg", "chronos")
	s.wantMentioned("MQTT", string(s.published("qliksense/qscloud_app_reload_failure", "r-1").Payload), `"appTags":["prod","Butler alerts"]`, `"userName":"Anna Berg"`, `"executionStatusText":"FAILED"`)
	log, err := os.ReadFile(filepath.Join(s.dir, "cloudlogs", "2031-05-02", "2031-05-02T08-15-30_appId="+cloudApp+"_reloadId=r-1.log"))
	if want := "the first line\nthe middle\nthe last line"; err != nil || string(log) != want {
		t.Errorf("stored %q, %v", log, err)
	}
	for instance, n := range s.told() {
		if n != 1 {
			t.Errorf("%s was told %d times", instance, n)
		}
	}
	for _, line := range s.logs.All() {
		if text := fmt.Sprint(line.Message, line.ContextMap()); strings.Contains(text, cloudToken) || strings.Contains(text, cloudSecret) {
			t.Errorf("a secret is in the log: %s", text)
		}
	}
}

func TestReload_readsTheAuthorityOfTheTenantAgain(t *testing.T) {
	from, s := simulatedTenant(t), siteOf(t)
	authority := filepath.Join(s.dir, "tenant.pem")
	good, err := os.ReadFile(s.sim.Certificates().Root)
	must(t, err)
	must(t, os.WriteFile(authority, good, 0o600))
	s.environ = append(s.environ, "BUTLER_QLIKSENSECLOUD_EVENT_MQTT_TENANT_CAFILE="+authority)
	cloudSite(t, s, from, "", "")
	must(t, os.WriteFile(authority, []byte("no certificate"), 0o600))
	if r := s.app.Reload(app.BySignal); r.Applied || !strings.Contains(r.Reason, "tenant") {
		t.Errorf("want the file refused, got %+v", r)
	}
	must(t, os.WriteFile(authority, good, 0o600))
	s.reload()
}

// The new intake is in force before its actor runs.
func TestReload_ofTheTenantRefusesNoEvent(t *testing.T) {
	from, s := simulatedTenant(t), siteOf(t)
	cloudSite(t, s, from, "", "")
	done := make(chan struct{})
	var calls sync.WaitGroup
	for range 4 {
		calls.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					s.wantBrought(from.Event("r-1", "error"), 202, "")
				}
			}
		})
	}
	environ := s.environ
	for i := range 4 {
		s.environ = append(environ, fmt.Sprint("BUTLER_QLIKSENSECLOUD_EVENT_MQTT_TENANT_COMMENT=", i))
		s.reload()
	}
	close(done)
	calls.Wait()
}

func TestReload_withoutTheTenantSaysWhatWaits(t *testing.T) {
	from, s := simulatedTenant(t), siteOf(t)
	cloudSite(t, s, from, "", "")
	from.Faults().Set(edge.Rule{Name: "hang", Kind: edge.Hang})
	s.wantBrought(from.Event("r-1", "error"), 202, "accepted")
	environ := s.environ
	s.environ = append(environ, "BUTLER_QLIKSENSECLOUD_ENABLE=false")
	s.reload()
	if lines := s.logs.FilterMessageSnippet("accepted events of Qlik Cloud wait").All(); len(lines) != 1 || lines[0].ContextMap()["count"] != int64(1) {
		t.Errorf("want one line about one event, got %v", lines)
	}
	from.Faults().Remove("hang")
	s.environ = environ
	s.reload()
	s.until("the decision", func() bool { return s.logs.FilterMessage("a failed app reload in Qlik Cloud is decided").Len() == 1 })
}

func TestCloud_tagsAndOwnersDecideWhoIsTold(t *testing.T) {
	const owner = ", appOwnerAlert: {enable: true, includeOwner: {includeAll: %v, user: [%s]}, excludeOwner: {user: [%s]}}"
	for name, row := range map[string]struct {
		gate, owner string
		told        int // all destinations
		mails       []string
	}{
		"the app has the tag":       {", alertEnableByTag: {enable: true, tag: Butler alerts}", "", 4, []string{"ops@example.com"}},
		"the app has another tag":   {", alertEnableByTag: {enable: true, tag: butler alerts}", "", 0, nil},
		"the owner despite the tag": {", alertEnableByTag: {enable: true, tag: none}", fmt.Sprintf(owner, true, "", ""), 1, []string{"bo@example.com"}},
		"the owner is listed":       {"", fmt.Sprintf(owner, false, "{email: bo@example.com}", ""), 5, []string{"ops@example.com", "bo@example.com"}},
		"the owner is not listed":   {"", fmt.Sprintf(owner, false, "x@example.com", ""), 4, []string{"ops@example.com"}},
		"the owner is excluded":     {"", fmt.Sprintf(owner, true, "", "bo@example.com"), 4, []string{"ops@example.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, s := simulatedTenant(t), siteOf(t)
			extra := fmt.Sprintf(cloudConfig, 0, from.URL(), row.gate, s.sim.HTTP.URL())
			extra = strings.Replace(extra, "recipients: [ops@example.com]", "recipients: [ops@example.com]"+row.owner, 1)
			s.startApp(demo.Settings{InMemory: true, Off: []string{"influxdb", "disklog"}, Extra: extra})
			s.wantBrought(from.Event("r-1", "error"), 202, "accepted")
			s.until("the decision", func() bool { return s.logs.FilterMessage("a failed app reload in Qlik Cloud is decided").Len() == 1 })
			s.idle(row.told)
			if n := len(s.ends()); n != row.told {
				t.Errorf("told %v", s.told())
			}
			var mails []string
			for _, m := range s.sim.SMTP.Messages().All() {
				mails = append(mails, m.Recipients...)
			}
			if len(mails) != len(row.mails) {
				t.Errorf("mailed to %q", mails)
			}
			for _, wanted := range row.mails {
				if !strings.Contains(strings.Join(mails, " "), wanted) {
					t.Errorf("mailed to %q, not to %s", mails, wanted)
				}
			}
		})
	}
}

func TestCloud_alertsDegradedWhenTheTenantIsAway(t *testing.T) {
	for name, break_ := range map[string]func(*cloudsim.Server) error{
		"not reachable":   func(s *cloudsim.Server) error { return s.Outage(true) },
		"never answering": func(s *cloudsim.Server) error { s.Faults().Set(edge.Rule{Kind: edge.Hang}); return nil },
		"token refused":   func(s *cloudsim.Server) error { s.Faults().Set(edge.Rule{Kind: edge.Status, Status: 401}); return nil },
		"talking rubbish": func(s *cloudsim.Server) error { s.Faults().Set(edge.Rule{Kind: edge.InvalidJSON}); return nil },
		"asking for a pause": func(s *cloudsim.Server) error {
			s.Faults().Set(edge.Rule{Kind: edge.Status, Status: 429, RetryAfter: time.Hour})
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, s := simulatedTenant(t), siteOf(t)
			cloudSite(t, s, from, ", alertEnableByTag: {enable: true, tag: unknown}", "")
			event := from.Event("r-1", "error")
			must(t, break_(from))
			s.wantBrought(event, 202, "accepted")
			s.idle(4)
			s.wantMentioned("the webhook", s.received("/hook/cloud"), `"r-1"`, "Stock", `"degraded"`, "could not be had from Qlik Cloud")
			// A script log may be any text: to ask for it is answered by rubbish, too.
			if state, _ := s.component("qlikcloud"); state != "degraded" && name != "talking rubbish" {
				t.Errorf("the tenant is shown as %s", state)
			}
		})
	}
}

func TestCloud_refusesWhatIsNotOfTheTenant(t *testing.T) {
	from, s := simulatedTenant(t), siteOf(t)
	cloudSite(t, s, from, "", "")
	event := string(from.Event("r-1", "error"))
	s.wantCall("POST", cloudPath, event, 401, "signature")
	s.wantCall("POST", cloudPath, event, 401, "signature", cloudevent.Signature, cloudsim.Sign("guessed", []byte(event)))
	for _, hostile := range []string{
		strings.Replace(event, "ten-1", "ten-2", 1), strings.Replace(event, `"r-1"`, `"../../r-1"`, 1), strings.Replace(event, cloudApp, "../users/own-1", 1),
		`{"eventType":"com.qlik.v1.app.reload.finished"}`, "[]", strings.Repeat("[", 100_000),
	} {
		s.wantBrought([]byte(hostile), 400, "message")
	}
	if n := from.Requests().Total(); n != 0 || len(s.ends()) != 0 {
		t.Errorf("the tenant was asked %d times, %d notices", n, len(s.ends()))
	}
}

// gatewayBroker is a broker with events, and the configuration that connects to both brokers.
func gatewayBroker(t *testing.T, s *site) (gateway *sink.MQTT, more string) {
	t.Helper()
	shown, err := s.sim.Authority.ServerTLS()
	must(t, err)
	gateway = sink.NewMQTT(sink.MQTTOptions{User: "butler", Password: "pw", TLS: shown})
	must(t, gateway.Start())
	t.Cleanup(gateway.Stop)
	host, port, err := net.SplitHostPort(gateway.Addr())
	must(t, err)
	return gateway, strings.TrimSuffix(brokerConfig(t, s), "}\n") + fmt.Sprintf(", qlikSenseCloud: {event: {mqttForward: {enable: true, broker: {host: %s, port: %s, username: butler, password: pw, ca: %s}}}}}\n",
		host, port, s.sim.Certificates().Root)
}

func TestCloud_takesEventsFromTheBrokerOfAGateway(t *testing.T) {
	from, s := simulatedTenant(t), siteOf(t)
	gateway, more := gatewayBroker(t, s)
	cloudSite(t, s, from, "", more)
	s.until("the subscription", func() bool { return gateway.Subscribed("qscloud/app/reload/ten-1") })
	s.until("the status", func() bool {
		return slices.ContainsFunc(gateway.Publications().All(), func(p sink.Publication) bool {
			return p.Topic == "butler/qscloud/event/mqttforward/status" && strings.HasPrefix(string(p.Payload), fmt.Sprintf("Connected to MQTT broker \"mqtts://%s\" with client ID ", gateway.Addr()))
		})
	})
	must(t, gateway.Publish("qscloud/app/reloadX", from.Event("r-1", "error")))
	must(t, gateway.Publish("qscloud/app/reload/ten-1", []byte("hostile \x00")))
	must(t, gateway.Publish("qscloud/app/reload/ten-1", from.Event("r-2", "error")))
	must(t, gateway.Publish("qscloud/app/reload", from.Event("r-2", "error")))
	s.idle(5)
	s.wantMentioned("the webhook", s.received("/hook/cloud"), `"r-2"`)
	if strings.Contains(s.received("/hook/cloud"), `"r-1"`) {
		t.Error("an event of another topic was taken")
	}
	if state, reason := s.component("qlikcloud/mqtt"); state != "up" {
		t.Errorf("the connection is %s: %s", state, reason)
	}
	// The brokers may be the same.
	for topic, want := range map[string]bool{"qscloud/app/reload": false, "qscloud/app/reload/ten-1": false, "qscloud/app": true} {
		if err := app.Publish(t.Context(), s.app, apikey.Principal{Scopes: []apikey.Scope{apikey.Start}}, topic, "{}"); (err == nil) != want {
			t.Errorf("want a message of a caller without the scope events published to %s %v, got %v", topic, want, err)
		}
	}
}

// The program is killed between the answer to the webhook and the alert.
func TestCloud_aKilledServiceTellsWhatItHasAccepted(t *testing.T) {
	from, s := simulatedTenant(t), siteOf(t)
	rest := porttest.Of(t, "tcp")
	v := newService(t, s.sim, demo.Settings{
		Off: []string{"influxdb", "disklog"}, DegradedAfter: "30s", Extra: fmt.Sprintf(cloudConfig, rest, from.URL(), "", s.sim.HTTP.URL()),
	})
	v.start()
	v.ready()
	from.Faults().Set(edge.Rule{Name: "hang", Kind: edge.Hang})
	event := from.Event("r-1", "error")
	bring := func() string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("http://127.0.0.1:%d%s", rest, cloudPath), strings.NewReader(string(event)))
		must(t, err)
		req.Header.Set(cloudevent.Signature, cloudsim.Sign(cloudSecret, event))
		answer, err := client.Do(req)
		must(t, err)
		defer answer.Body.Close()
		if answer.StatusCode != http.StatusAccepted {
			t.Fatalf("answered %s", answer.Status)
		}
		text := make([]byte, 100)
		n, _ := answer.Body.Read(text)
		return string(text[:n])
	}
	bring()
	v.kill()
	if body := s.received("/hook/cloud"); body != "" {
		t.Fatalf("told before the kill: %s", body)
	}
	from.Faults().Remove("hang")
	v.start()
	v.ready()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err := s.sim.HTTP.History().Await(ctx, func(r sink.HTTPRequest) bool {
		return strings.HasPrefix(r.Path, "/hook/cloud") && r.Mentions("Anna Berg")
	})
	if err != nil {
		t.Fatalf("nobody was notified after the restart: %v", err)
	}
	if text := bring(); !strings.Contains(text, string(messages.CloudDuplicate)) {
		t.Errorf("the same event again: %s", text)
	}
	v.wantsNoBug()
}

func TestCloud_aConfigurationThatCannotWorkIsTold(t *testing.T) {
	const ways = "  restServerConfig: {enable: true, serverHost: localhost}\n  restServerEndpointsEnable: {qlikCloudEvent: true}\n"
	for name, row := range map[string]struct{ tenant, more, path, reason string }{
		"no tenant":     {"tenantUrl: https://t.example.com, auth: {jwt: {token: x}}", ways, "tenant.id", "is empty"},
		"a host name":   {"id: t.example.com, tenantUrl: https://t.example.com, auth: {jwt: {token: x}}", ways, "tenant.id", "looks like a host name"},
		"no token":      {"id: t, tenantUrl: https://t.example.com", ways, "auth.jwt.token", "is empty"},
		"no address":    {"id: t, auth: {jwt: {token: x}}", ways, "tenantUrl", "is not like https://"},
		"clear text":    {"id: t, tenantUrl: http://t.example.com, auth: {jwt: {token: x}}", ways, "tenantUrl", "https://"},
		"no way in":     {"id: t, tenantUrl: https://t.example.com, auth: {jwt: {token: x}}", "", "qlikSenseCloud.enable", "no event can come in"},
		"anybody":       {"id: t, tenantUrl: https://t.example.com, auth: {jwt: {token: x}}", ways, "webhook.secret", "anybody may bring events"},
		"missing CA":    {"id: t, caFile: nowhere.pem, tenantUrl: https://t.example.com, auth: {jwt: {token: x}}", ways, "caFile", "cannot be read"},
		"bad filter":    {"id: t, tenantUrl: https://t.example.com, auth: {jwt: {token: x}}", forwardKeys("topic: {subscriptionRoot: 'a#'}"), "subscriptionRoot", "#"},
		"nobody's name": {"id: t, tenantUrl: https://t.example.com, auth: {jwt: {token: x}}", forwardKeys("broker: {host: b, cleanSession: false}"), "broker.clientId", "is empty"},
	} {
		path := filepath.Join(t.TempDir(), "butler.yaml")
		must(t, os.WriteFile(path, []byte("Butler:\n  qlikSenseCloud: {enable: true, event: {mqtt: {tenant: {"+row.tenant+"}}}}\n"+row.more), 0o600))
		cfg, err := config.Load(config.Options{Path: path, Schemas: app.Schemas(), Environ: []string{}})
		must(t, err)
		found := false
		for _, f := range (app.Inspection{Isolated: true}).Findings(cfg) {
			found = found || strings.HasSuffix(f.Path, row.path) && strings.Contains(f.Reason, row.reason) && f.Suggestion != ""
		}
		if !found {
			t.Errorf("%s: want %s %q, got %+v", name, row.path, row.reason, (app.Inspection{Isolated: true}).Findings(cfg))
		}
	}
}

// forwardKeys are the keys of a broker that forwards events.
func forwardKeys(keys string) string {
	if !strings.Contains(keys, "broker") {
		keys += ", broker: {host: b}"
	}
	return "  mqttConfig: {enable: true, brokerHost: a, qlikSenseCloud: {event: {mqttForward: {enable: true, " + keys + "}}}}\n"
}
