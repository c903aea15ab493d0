package mqtt

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"butler/internal/destination"
	"butler/internal/destination/destinationtest"
	"butler/messages"
)

// codes of a scripted broker.
const (
	acknowledged = iota
	notConnected
	tooLarge
)

// script is a broker that does what a test says.
type script struct {
	mu       sync.Mutex
	code     int
	stalled  bool
	received []string
	arrived  chan struct{}
}

// Publish implements destination.Publisher.
func (s *script) Publish(ctx context.Context, topic string, payload []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.arrived <- struct{}{}:
	default:
	}
	switch {
	case s.stalled:
		s.mu.Unlock()
		<-ctx.Done()
		s.mu.Lock()
		return ctx.Err()
	case s.code == notConnected:
		return errors.New("not connected to the MQTT broker")
	case s.code == tooLarge:
		return destination.Permanent(errors.New("too large"))
	}
	var shown bytes.Buffer
	if json.Indent(&shown, payload, "", "  ") != nil {
		shown.Write(payload)
	}
	s.received = append(s.received, topic+"\n\n"+shown.String())
	return nil
}

func (s *script) set(code int, stalled bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.code, s.stalled = code, stalled
}

func peer(*testing.T) *destinationtest.Peer {
	s := &script{arrived: make(chan struct{}, 1024)}
	return &destinationtest.Peer{
		Publisher: s, Arrived: s.arrived,
		Received: func() []string {
			s.mu.Lock()
			defer s.mu.Unlock()
			return append([]string(nil), s.received...)
		},
		Accept: func() { s.set(acknowledged, false) },
		Answer: func(code int, _ string) { s.set(code, false) },
		Stall:  func() { s.set(acknowledged, true) },
		Reset:  func() { s.set(notConnected, false) },
	}
}

func sample(string) string {
	return `
mqttConfig: {enable: true, brokerHost: 127.0.0.1}
serviceMonitor: {alertDestination: {mqtt: {enable: true}}}
qlikSenseLicense: {serverLicenseMonitor: {destination: {mqtt: {enable: true, sendRecurring: {enable: true}, sendAlert: {enable: true}}}}}
routes:
  - name: everything
    match: {}
    mqtt: [{topic: all/lines}, {topic: all/documents, full: true}]
`
}

func TestMQTT_keepsTheContractOfADestination(t *testing.T) {
	destinationtest.Run(t, destinationtest.Fixture{
		Definition: Definition(), Config: sample, Peer: peer, Inspect: inspect,
		Outcomes: []destinationtest.Outcome{
			{Code: acknowledged, Delivered: true},
			{Code: notConnected, Kind: destination.Transient},
			{Code: tooLarge, Kind: destination.PermanentKind},
		},
		Mistakes: `
mqttConfig:
  enable: true
  brokerHost: broker.example.com
  azureEventGrid: {enable: true, clientId: butler, clientCertFile: none.pem, clientKeyFile: none_key.pem}
  taskFailureServerStatusTopic: "a/#"
  taskFailureTopic: qliksense/+/failure
  taskAbortedFullTopic: "qliksense/aborted\n"
  serviceStoppedTopic: "#"
serviceMonitor: {alertDestination: {mqtt: {enable: true}}}
routes: [{name: night, mqtt: [{topic: fine}, {topic: "night/#"}, {topic: ""}]}]
`,
		MistakenPaths: []string{
			"mqttConfig.taskFailureServerStatusTopic", "mqttConfig.azureEventGrid.clientCertFile",
			"mqttConfig.taskFailureTopic", "mqttConfig.taskAbortedFullTopic", "mqttConfig.serviceStoppedTopic",
			"routes[0].mqtt[1].topic", "routes[0].mqtt[2].topic",
		},
	})
}

// inspect checks that a message is one line or a document, under the limit, and
// that nothing in an alert adds a level to a topic.
func inspect(t *testing.T, s destinationtest.Sample, received []string) {
	t.Helper()
	if len(received) != 1 {
		t.Fatalf("want one message, got %d", len(received))
	}
	topic, payload, _ := strings.Cut(received[0], "\n\n")
	if strings.ContainsAny(topic, "+#\x00") || strings.Count(topic, "/") > 3 {
		t.Errorf("the topic is %q", topic)
	}
	var document map[string]any
	if err := json.Unmarshal([]byte(payload), &document); err != nil {
		if strings.ContainsAny(payload, "\r\n\x00") || payload == "" || len(payload) > maxLine {
			t.Errorf("the line is %.100q", payload)
		}
		return
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(payload)); err != nil || compact.Len() > maxDocument {
		t.Errorf("the document has %d bytes: %v", compact.Len(), err)
	}
	if document["alertKind"] != string(s.Alert.Kind) {
		t.Errorf("the document is of %v", document["alertKind"])
	}
	if degraded, _ := document["degraded"].([]any); len(s.Alert.Degraded) > 0 && len(degraded) == 0 {
		t.Error("nothing says that the alert is degraded")
	}
}

// names lists the instances of a configuration.
func names(t *testing.T, config string) []string {
	t.Helper()
	out := []string{}
	for _, b := range destinationtest.Built(t, Definition(), config) {
		out = append(out, strings.TrimPrefix(b.Instance.Name, "mqtt/"))
	}
	return out
}

func TestUses_areWhatTheSwitchesSay(t *testing.T) {
	const on = "mqttConfig: {enable: true, brokerHost: b"
	tasks := []string{"reload_task_failed", "reload_task_failed/full", "reload_task_aborted", "reload_task_aborted/full", "cloud_app_reload_failed"}
	license := func(switches string) string {
		return on + "}\nqlikSenseLicense: {serverLicenseMonitor: {destination: {mqtt: " + switches + "}}}"
	}
	with := func(more ...string) []string {
		return append(append(tasks[:4:4], more...), tasks[4])
	}
	for _, row := range []struct {
		name, config string
		want         []string
	}{
		{"off", "mqttConfig: {enable: false, brokerHost: b}\nserviceMonitor: {alertDestination: {mqtt: {enable: true}}}", []string{}},
		{"on", on + "}", tasks},
		{"without documents", on + ", taskFailureSendFull: false, taskAbortedSendFull: false}", []string{tasks[0], tasks[2], tasks[4]}},
		{"without topics", on + `, taskFailureTopic: "", taskFailureFullTopic: "", taskAbortedTopic: "", qlikSenseCloudAppReloadFailureTopic: ""}`, []string{tasks[3]}},
		{
			"services", on + "}\nserviceMonitor: {alertDestination: {mqtt: {enable: true}}}",
			with("windows_service_stopped", "windows_service_started", "windows_service_status"),
		},
		{
			"services without the status", on + `, serviceStatusTopic: ""}` + "\nserviceMonitor: {alertDestination: {mqtt: {enable: true}}}",
			with("windows_service_stopped", "windows_service_started"),
		},
		{"licence, status only", license("{enable: true, sendRecurring: {enable: true}}"), with("server_license_status")},
		{"licence, end only", license("{enable: true, sendAlert: {enable: true}}"), with("server_license_expiring")},
		{"licence off", license("{enable: false, sendRecurring: {enable: true}, sendAlert: {enable: true}}"), tasks},
	} {
		t.Run(row.name, func(t *testing.T) {
			if diff := cmp.Diff(row.want, names(t, row.config)); diff != "" {
				t.Errorf("instances (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNeeds_metadataOfDocumentsOnly(t *testing.T) {
	for _, full := range []bool{true, false} {
		got := instance(Config{}, destination.Use[Settings]{Settings: Settings{Full: full}}).Needs
		if want := (destination.Needs{Task: full, App: full, Metadata: full}); got != want {
			t.Errorf("full %v: want %+v, got %+v", full, want, got)
		}
	}
}

func TestTopic_keepsHostAndServiceWithinTheirLevels(t *testing.T) {
	p := publisher{Settings: Settings{Topic: "base", perService: true}}
	a := messages.Alert{Service: messages.Service{Host: "sense/01", Name: "Qlik+Sense#\r\n\x00"}}
	if got := p.topic(a); got != "base/sense_01/Qlik_Sense____" {
		t.Errorf("the topic is %q", got)
	}
}

func TestDocument_leavesOutMetadataThatIsTooLargeAndSaysSo(t *testing.T) {
	a := destinationtest.Complete(messages.ReloadTaskFailed)
	a.Task.Metadata = `{"filler":"` + strings.Repeat("x", maxDocument) + `"}`
	got := decode(t, a)
	if got["qs_taskMetadata"] != nil || got["qs_appMetadata"] != nil {
		t.Error("the metadata is there")
	}
	if degraded, _ := got["degraded"].([]any); len(degraded) != 1 {
		t.Errorf("degraded is %v", got["degraded"])
	}
}

func TestDocument_passesOnNoMetadataThatIsNoJSON(t *testing.T) {
	a := destinationtest.Complete(messages.ReloadTaskAborted)
	a.Task.Metadata, a.App.Metadata = `{"half":`, ""
	if got := decode(t, a); got["qs_taskMetadata"] != nil || got["qs_appMetadata"] != nil {
		t.Errorf("the metadata is %v and %v", got["qs_taskMetadata"], got["qs_appMetadata"])
	}
}

func decode(t *testing.T, a messages.Alert) map[string]any {
	t.Helper()
	payload, err := document(destinationtest.NoticeOf(a, "mqtt/x", ""))
	if err != nil || len(payload) > maxDocument {
		t.Fatalf("%d bytes, %v", len(payload), err)
	}
	var got map[string]any
	if err := json.Unmarshal(payload, &got); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestDocument_staysBelowTheLimitWhateverItHolds(t *testing.T) {
	worst := strings.Repeat("\x00", 100_000)
	many := make([]string, 1000)
	pairs := make([]messages.Property, 1000)
	for i := range many {
		many[i], pairs[i] = worst, messages.Property{Name: worst, Value: worst}
	}
	a := destinationtest.Overlong(messages.ReloadTaskFailed)
	a.Event.HostName, a.Event.User, a.Event.TaskName, a.Event.LogMessage = worst, worst, worst, worst
	a.Task.Tags, a.App.Tags, a.Task.CustomProperties, a.App.CustomProperties = many, many, pairs, pairs
	decode(t, a)
}

func TestMessages_ofATestAndAfterSuppressionSaySo(t *testing.T) {
	a := destinationtest.Complete(messages.ReloadTaskFailed)
	a.Test = true
	n := destinationtest.NoticeOf(a, "mqtt/x", "")
	n.SuppressedBefore = 3
	if got := line(n); got != "Reload of Sales (test) (3 more were held back)" {
		t.Errorf("the line is %q", got)
	}
	payload, err := document(n)
	if err != nil || !strings.Contains(string(payload), `"suppressedAlerts":3,"test":true`) {
		t.Errorf("%v: %s", err, payload)
	}
}

func TestDocument_hasNullForWhatNobodyKnowsOfALicence(t *testing.T) {
	for want, l := range map[string]messages.License{
		`"licenseExpired":false,"expiryDateStr":"2026-06-15","daysUntilExpiry":0,`: {ExpiryDate: "2026-06-15", DaysKnown: true},
		`"licenseExpired":true,"expiryDateStr":null,"daysUntilExpiry":null,`:       {Expired: true},
	} {
		got, err := document(messages.Notice{Alert: messages.Alert{Kind: messages.LicenseStatus, License: l}})
		if err != nil || !strings.Contains(string(got), want) {
			t.Errorf("want %s in it, got %s, %v", want, got, err)
		}
	}
}

func TestLine_saysHowALicenceIs(t *testing.T) {
	for want, l := range map[string]messages.License{
		"Qlik Sense server license expired":                                      {Expired: true},
		"Qlik Sense server license expired on 2026-06-15":                        {Expired: true, ExpiryDate: "2026-06-15", DaysLeft: -3, DaysKnown: true},
		"Qlik Sense server license is about to expire in 40 days, on 2026-06-15": {ExpiryDate: "2026-06-15", DaysLeft: 40, DaysKnown: true},
		"Qlik Sense server license has no known end":                             {},
	} {
		a := messages.Alert{Kind: messages.LicenseExpiring, License: l}
		if got := line(messages.Notice{Alert: a}); got != want {
			t.Errorf("want %q, got %q", want, got)
		}
	}
}

func TestBroker_isWhatTheSectionDescribes(t *testing.T) {
	plain := Config{BrokerHost: "::1", BrokerPort: 8883, CleanSession: true, TaskFailureServerStatusTopic: "status"}
	full := plain
	full.ClientID, full.CleanSession, full.Username, full.Password = "butler-1", false, "anna", "T0P"
	full.TLS = TLS{Enable: true, CA: "ca.pem", Cert: "own.pem", Key: "own_key.pem"}
	full.WebSocket = WebSocket{Enable: true, Path: "/mqtt"}
	grid := full
	grid.AzureEventGrid = AzureEventGrid{Enable: true, ClientID: "butler", ClientCertFile: "c.pem", ClientKeyFile: "k.pem"}
	gridAlone := grid
	gridAlone.TLS.Enable = false
	off := full
	off.TLS.Enable, off.WebSocket.Enable = false, false
	for _, row := range []struct {
		name string
		c    Config
		want Broker
	}{
		{"plain", plain, Broker{}},
		{"with everything", full, Broker{
			ClientID: "butler-1", KeepSession: true, User: "anna", Password: "T0P",
			TLS: true, CA: "ca.pem", CertFile: "own.pem", KeyFile: "own_key.pem", WebSocket: "/mqtt",
		}},
		{"switched off", off, Broker{ClientID: "butler-1", KeepSession: true, User: "anna", Password: "T0P"}},
		{"Azure Event Grid", grid, Broker{
			ClientID: "butler", KeepSession: true, User: "butler", TLS: true, CA: "ca.pem", CertFile: "c.pem", KeyFile: "k.pem", WebSocket: "/mqtt",
		}},
		{"Azure Event Grid, tls.enable off", gridAlone, Broker{
			ClientID: "butler", KeepSession: true, User: "butler", TLS: true, CA: "ca.pem", CertFile: "c.pem", KeyFile: "k.pem", WebSocket: "/mqtt",
		}},
	} {
		row.want.Address, row.want.ListenerTopic = "[::1]:8883", "status"
		if diff := cmp.Diff(row.want, row.c.Broker()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, diff)
		}
	}
}

func TestCheck_tellsWhatKeepsMessagesFromComing(t *testing.T) {
	good := Config{CleanSession: true, SubscriptionRootTopic: "qliksense/#", TaskStartTopic: "qliksense/start_task"}
	for name, row := range map[string]struct {
		change  func(*Config)
		path    string // "" for none
		warning bool
	}{
		"good":                           {func(*Config) {}, "", false},
		"nothing is received":            {func(c *Config) { c.SubscriptionRootTopic, c.TaskStartTopic = "", "" }, "", false},
		"a session of nobody":            {func(c *Config) { c.CleanSession = false }, "mqttConfig.cleanSession", false},
		"a session of somebody":          {func(c *Config) { c.CleanSession, c.ClientID = false, "butler-1" }, "", false},
		"no filter":                      {func(c *Config) { c.SubscriptionRootTopic = "a/#/b" }, "mqttConfig.subscriptionRootTopic", false},
		"a start topic that is a filter": {func(c *Config) { c.TaskStartTopic = "qliksense/+" }, "mqttConfig.taskStartTopic", false},
		"a start topic elsewhere":        {func(c *Config) { c.TaskStartTopic = "other/start" }, "mqttConfig.taskStartTopic", true},
		"no path of the WebSocket":       {func(c *Config) { c.WebSocket.Enable = true }, "mqttConfig.webSocket.path", false},
		"no CA":                          {func(c *Config) { c.TLS = TLS{Enable: true, CA: "none.pem"} }, "mqttConfig.tls.ca", true},
		"no certificate":                 {func(c *Config) { c.TLS = TLS{Enable: true, Cert: "none.pem"} }, "mqttConfig.tls.cert", true},
		"no certificate for Azure": {func(c *Config) {
			c.AzureEventGrid = AzureEventGrid{Enable: true, ClientID: "x", ClientCertFile: "none.pem", ClientKeyFile: "none.pem"}
		}, "mqttConfig.azureEventGrid.clientCertFile", true},
	} {
		c := good
		row.change(&c)
		got := checkBroker(c, destination.Deps{BaseDir: t.TempDir()})
		switch {
		case row.path == "" && len(got) > 0:
			t.Errorf("%s: want no problem, got %v", name, got)
		case row.path != "" && (len(got) != 1 || got[0].Path != row.path || got[0].Warning != row.warning || got[0].Suggestion == ""):
			t.Errorf("%s: want one about %s, got %v", name, row.path, got)
		}
	}
}
