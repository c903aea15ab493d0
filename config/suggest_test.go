package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Files of years ago name things otherwise, and hold sections of features that
// are gone. Whoever brings one along is told what each of them is now.
func TestLoad_tellsWhatAKeyOfAnOlderFileIsNow(t *testing.T) {
	const header = `write an entry of headers.static instead: {name: X-Qlik-User, value: "UserDirectory=...; UserId=..."}`
	const sessions = "remove it: user sessions are not followed"
	const database = "remove it: the database is the one of influxDb"
	for _, tt := range []struct{ text, want string }{
		{"configQRS: {headerKey: X-Qlik-User}", header},
		{"configQRS: {headerValue: UserDirectory=Internal; UserId=sa_repository}", header},
		{"configEngine: {headers: {X-Qlik-User: UserDirectory=Internal;UserId=sa_repository}}", header},
		{"configEngine: {server: sense}", "it is called host"},
		{"configEngine: {serverPort: 4747}", "it is called port"},
		{"configEngine: {isSecure: true}", "it is called useSSL"},
		{"configEngine: {cert: client.pem}", "it belongs at cert.clientCert"},
		{"configQRS: {key: client_key.pem}", "it belongs at cert.clientCertKey"},
		{"configQRS: {ca: root.pem}", "it belongs at cert.clientCertCA"},
		{"udpServerConfig: {serverIP: 10.0.0.1}", "it is called serverHost"},
		{"mqttConfig: {brokerIP: 10.0.0.1}", "it is called brokerHost"},
		{"teamsConfig: {enable: true}", "it is called teamsNotification, with a section for each event"},
		{"slackConfig: {enable: true}", "it is called slackNotification, with a section for each event"},
		{"emailNotification: {serviceStopped: {fromAdress: qlik@example.com}}", "did you mean fromAddress?"},
		{"scriptLog: {storeOnDisk: {reloadTaskFailure: {enable: true}}}", "it belongs at scriptLog.storeOnDisk.clientManaged.reloadTaskFailure"},
		{"qlikSenseLicense: {licenseRelease: {neverReleaseUsers: [{userDir: INTERNAL, userId: sa_api}]}}", "it is called neverRelease.user"},
		{"uptimeMonitor: {storeInInfluxdb: {hostIP: influx}}", database},
		{"uptimeMonitor: {storeInInfluxdb: {hostPort: 8086}}", database},
		{"uptimeMonitor: {storeInInfluxdb: {auth: {enable: false}}}", database},
		{"uptimeMonitor: {storeInInfluxdb: {dbName: butler}}", database},
		{"uptimeMonitor: {storeInInfluxdb: {retentionPolicy: {name: 10d}}}", database},
		{"uptimeMonitor: {storeInInfluxdb: {instanceTag: DEV}}", `use an entry of influxDb.tag.static with the name "butler_instance"`},
		{"incidentTool: {newRelic: {reloadTaskFailure: {attribute: {static: []}}}}", "it belongs at incidentTool.newRelic.reloadTaskFailure.sharedSettings.attribute"},
		{"incidentTool: {newRelic: {reloadTaskAborted: {rateLimit: 15}}}", "it belongs at incidentTool.newRelic.reloadTaskAborted.sharedSettings.rateLimit"},
		{"slackNotification: {userSessionEvents: {enable: true}}", sessions},
		{"mqttConfig: {sessionStartTopic: qliksense/session/start}", sessions},
		{"mqttConfig: {connectionCloseTopic: qliksense/connection/close}", sessions},
		{"mqttConfig: {activeUsersTopic: qliksense/users}", sessions},
		{"udpServerConfig: {portSessionConnectionEvents: 9997}", sessions},
		{"restServerEndpointsEnable: {activeUserCount: true}", sessions},
	} {
		t.Run(tt.text, func(t *testing.T) {
			got := problemsOf(t, "Butler:\n  "+tt.text+"\n")
			if len(got) != 1 || !strings.HasSuffix(got[0], "unknown key ("+tt.want+")") {
				t.Errorf("want one problem that ends in (%s), got %q", tt.want, got)
			}
		})
	}
}

// A template that was only filled in where something is used is full of
// stand-ins, for numbers too.
func TestLoad_takesAStandInForAnyKindOfValueAsNotSet(t *testing.T) {
	c := mustLoad(t, `Butler:
  logLevel: <log level>
  fileLogging: <true or false>
  qlikSenseUrls: {appBaseUrl: "<URL to Qlik Sense hub>/<virtual proxy, if any>/sense/app"}
  configQRS: {host: sense, port: "<Port to connect to, usually 4242>"}
  cert: {clientCert: <folder of the certificates>/client.pem}
  thirdPartyToolsCredentials:
    newRelic: [{accountName: First NR account, insertApiKey: "<API key>", accountId: "<account ID>"}]
  webhookNotification:
    reloadTaskFailure: {webhooks: [{webhookURL: "http://host.my.domain:port/some/path", httpMethod: POST}]}
`)
	if got := c.Log(); got.Level != "info" || got.ToFiles {
		t.Errorf("want the default log, got %+v", got)
	}
	if got := c.QRS().Port; got != 4242 {
		t.Errorf("want the port 4242, got %d", got)
	}
	if got := c.QRS().ClientCert; got != c.Path("client.pem") {
		t.Errorf("want the certificate beside the file, got %s", got)
	}
	if got := c.Links().AppBaseURL; got != "" {
		t.Errorf("want no link, got %s", got)
	}
	for _, list := range []string{"thirdPartyToolsCredentials.newRelic", "webhookNotification.reloadTaskFailure.webhooks"} {
		var items []any
		if err := c.Section(list, &items); err != nil || len(items) != 0 {
			t.Errorf("%s: want nothing in it, got %v, %v", list, items, err)
		}
	}
}

func TestLoad_saysWhatBelongsBelowASection(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"incidentTool: {newRelic: {url: 'https://insights-collector.newrelic.com'}}", "2:34: incidentTool.newRelic.url: must hold keys, not text (event, log)"},
		{"udpServerConfig: {rateLimit: 600}", "2:32: udpServerConfig.rateLimit: must hold keys, not a number (enable, maxMessagesPerMinute)"},
		{
			"serviceMonitor: {monitor: [{host: win1, services: [QlikSenseEngineService]}]}",
			"2:54: serviceMonitor.monitor[0].services[0]: must hold keys, not text (name, friendlyName)",
		},
		{
			"configQRS: {headers: {static: {name: X-Qlik-User, value: a}}}",
			"2:33: configQRS.headers.static: must be a list, not a mapping (begin each entry with a dash: - name: ...)",
		},
		{"serviceMonitor: {monitor: win1}", "2:29: serviceMonitor.monitor: must be a list, not text (begin each entry with a dash: - host: ...)"},
	} {
		t.Run(tt.text, func(t *testing.T) {
			if diff := cmp.Diff([]string{tt.want}, problemsOf(t, "Butler:\n  "+tt.text+"\n")); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestProblem_namesTheWholeKey(t *testing.T) {
	const key = "qlikSenseCloud.event.mqtt.tenant.alert.emailNotification.reloadAppFailure.appOwnerAlert.includeOwner.includeAll"
	text, end := "Butler: ", "1"
	for name := range strings.SplitSeq(key, ".") {
		text += "{" + name + ": "
		end += "}"
	}
	got := problemsOf(t, text+end+"\n")
	if len(got) != 1 || !strings.Contains(got[0], ": "+key+": ") {
		t.Errorf("want one problem of %s, got %q", key, got)
	}
}
