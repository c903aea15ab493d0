package config

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"butler/internal/secret"
)

func shownBy(t *testing.T, c *Config, m Masking) Shown {
	t.Helper()
	shown, err := c.Shown(m)
	if err != nil {
		t.Fatal(err)
	}
	return shown
}

// written reads the YAML of what is shown.
func written(t *testing.T, shown Shown) map[string]any {
	t.Helper()
	var file map[string]map[string]any
	if err := yaml.Unmarshal([]byte(shown.YAML), &file); err != nil {
		t.Fatalf("%v in\n%s", err, shown.YAML)
	}
	return file[rootKey]
}

// settingAt returns what is shown of a key.
func settingAt(t *testing.T, shown Shown, path string) Setting {
	t.Helper()
	for _, s := range shown.Settings {
		if s.Path == path {
			return s
		}
	}
	t.Fatalf("%s is not shown", path)
	return Setting{}
}

func TestShown_masksSecretsAlways(t *testing.T) {
	c := mustLoad(t, `Butler:
  slackNotification:
    reloadTaskFailure: {webhookURL: "https://hooks.slack.com/services/T0/B0/k3y"}
  emailNotification:
    reloadTaskFailure: {recipients: ["${env:BOSS}"]}
    smtp: {host: "${env:MAIL}", auth: {user: joe, password: hunter2}}
  webhookNotification:
    reloadTaskFailure:
      webhooks:
        - {webhookURL: "<sample>"}
        - {webhookURL: "https://u:hunter2@hooks.example.com?key=hunter2#hunter2", description: "${env:MAIL}", cert: {certCA: ca.pem}}
  qlikSenseUrls: {qmc: "https://u:hunter2@sense.example.com/qmc?token=hunter2", hub: "https://sense.example.com/hub"}
  configQRS: {headers: {static: [{name: X-Qlik-User, value: hunter2}]}}
  influxDb: {auth: {password: hunter2}}
  thirdPartyToolsCredentials: {newRelic: [{accountName: a, insertApiKey: hunter2, accountId: 1}]}
  udpServerConfig: {portTaskFailure: "${env:PORT}"}
`, "MAIL=hunter2", "BOSS=hunter2@example.com", "PORT=4711")
	for _, m := range []Masking{MaskPrivate, MaskSecrets} {
		for _, secret := range []string{"hunter2", "k3y", "4711"} {
			if shown := shownBy(t, c, m); strings.Contains(fmt.Sprint(shown), secret) {
				t.Errorf("%q is shown", secret)
			}
		}
	}
	masked := written(t, shownBy(t, c, MaskSecrets))
	slack := masked["slackNotification"].(map[string]any)["reloadTaskFailure"].(map[string]any)
	if got := slack["webhookURL"]; got != "https://hooks.slack.com/***" {
		t.Errorf("want the host only, got %v", got)
	}
	links := masked["qlikSenseUrls"].(map[string]any)
	if links["qmc"] != "https://***@sense.example.com/qmc?***" || links["hub"] != "https://sense.example.com/hub" {
		t.Errorf("want credentials and query hidden, got %v", links)
	}
	hooks := masked["webhookNotification"].(map[string]any)["reloadTaskFailure"].(map[string]any)["webhooks"].([]any)
	want := []any{map[string]any{
		"webhookURL": "https://***@hooks.example.com?***#***", "description": "***", "httpMethod": "POST",
		"cert": map[string]any{"enable": false, "rejectUnauthorized": true, "certCA": "ca.pem"},
	}}
	if diff := cmp.Diff(want, hooks); diff != "" {
		t.Errorf("webhooks (-want +got):\n%s", diff)
	}
}

func TestShown_tellsWhereEveryValueCameFrom(t *testing.T) {
	c, err := load(Options{Path: "butler.yaml", Environ: []string{"BUTLER_FILELOGGING=true"}, Overrides: map[string]any{"logLevel": "debug"}}, schema(t), []byte(`Butler:
  logLevel: warn
  udpServerConfig:
    enable: true
    allowedSources: [10.0.0.1]
`))
	if err != nil {
		t.Fatal(err)
	}
	shown := shownBy(t, c, MaskSecrets)
	for path, want := range map[string][2]string{
		"logLevel": {"debug", "command line"}, "fileLogging": {"true", "environment BUTLER_FILELOGGING"},
		"udpServerConfig.enable": {"true", "butler.yaml:4"}, "udpServerConfig.allowedSources": {"[10.0.0.1]", "butler.yaml:5"},
		"udpServerConfig.portTaskFailure": {"9998", "default"},
	} {
		if got := settingAt(t, shown, path); got.Value != want[0] || got.Source.String() != want[1] {
			t.Errorf("%s: want %v, got %s from %s", path, want, got.Value, got.Source)
		}
	}
	for _, line := range []string{"  logLevel: debug # command line\n", "    enable: true # butler.yaml:4\n", "# butler.yaml:5\n      - 10.0.0.1\n", "    portTaskFailure: 9998\n"} {
		if !strings.Contains(shown.YAML, line) {
			t.Errorf("want the line %q in\n%s", line, shown.YAML)
		}
	}
}

func TestShown_masksWhoAndWhereUnlessTold(t *testing.T) {
	c := mustLoad(t, `Butler:
  configQRS: {host: sense.example.com, headers: {static: [{name: X-Qlik-User, value: UserDirectory=Internal}]}}
  slackNotification: {reloadTaskFailure: {webhookURL: "https://hooks.slack.com/services/T0"}}
  qlikSenseUrls: {qmc: "https://sense.example.com/qmc"}
  emailNotification:
    smtp: {auth: {user: postman}}
    reloadTaskFailure: {recipients: [anna@example.com, bo]}
  thirdPartyToolsCredentials: {newRelic: [{accountName: a, accountId: 1234567, insertApiKey: hunter2}]}
  restServerConfig: {tls: {key: /etc/butler/key.pem}}
  qlikSenseCloud: {event: {mqtt: {tenant: {id: abcdef.eu}}}}
`)
	for path, want := range map[string][2]string{
		"configQRS.host": {"sen**********", "sense.example.com"},
		"slackNotification.reloadTaskFailure.webhookURL": {"https://hoo**********", "https://hooks.slack.com/***"},
		"qlikSenseUrls.qmc":                              {"https://sen**********", "https://sense.example.com/qmc"},
		"emailNotification.smtp.auth.user":               {"pos**********", "postman"},
		"emailNotification.reloadTaskFailure.recipients": {"[ann**********, b**********]", "[anna@example.com, bo]"},
		"thirdPartyToolsCredentials.newRelic":            {"[{accountName: a, insertApiKey: '***', accountId: 123**********}]", "[{accountName: a, insertApiKey: '***', accountId: 1234567}]"},
		"restServerConfig.tls.key":                       {"/et**********", "/etc/butler/key.pem"},
		"qlikSenseCloud.event.mqtt.tenant.id":            {"abc**********", "abcdef.eu"},
	} {
		if got := settingAt(t, shownBy(t, c, MaskPrivate), path); got.Value != want[0] || !got.Masked {
			t.Errorf("%s: want %s, masked, got %s", path, want[0], got.Value)
		}
		if got := settingAt(t, shownBy(t, c, MaskSecrets), path); got.Value != want[1] {
			t.Errorf("%s: want %s, got %s", path, want[1], got.Value)
		}
	}
}

// Every key that can hold a text gets one that must not be seen: in the private
// view no key whose name or type sounds like a secret, a person, a machine or an
// address may show it.
func TestShown_masksEveryKeyOfTheSchemaThatSoundsPrivate(t *testing.T) {
	sounds := regexp.MustCompile(`(?i)(password|token|secret|apikey|webhookURL|remoteURL|signl4\.url|\.host|serverHost|hostIP|brokerHost|username|auth\.user|clientId|fromAddress|recipients|header(s\.static)?|accountId)$`)
	root := schema(t)
	c := mustLoad(t, "Butler: {}\n")
	checked := 0
	check := func(n *node) {
		if !sounds.MatchString(n.path) || n.Type == kindBool || n.isSection() {
			return
		}
		checked++
		const text = "https://visible.example.com/visible"
		of := n
		if n.item != nil {
			of = n.item.child("value")
		}
		if shown, whole := c.mask(text, of, MaskPrivate); whole || strings.Contains(fmt.Sprint(shown), "visible") {
			t.Errorf("%s shows %v", n.path, shown)
		}
		if shown, whole := c.mask("visible text", of, MaskPrivate); whole || strings.Contains(fmt.Sprint(shown), "visible") {
			t.Errorf("%s shows %v", n.path, shown)
		}
		if n.Type == kindSecret {
			if shown, _ := c.mask(text, n, MaskSecrets); shown != secret.Mask {
				t.Errorf("%s shows %v", n.path, shown)
			}
		}
	}
	var all func(n *node)
	all = func(n *node) {
		for _, child := range n.children {
			check(child)
			all(child)
			if child.item != nil {
				all(child.item)
			}
		}
	}
	all(root)
	if checked < 75 {
		t.Errorf("only %d keys were checked: do they still exist?", checked)
	}
}

func TestShown_hostileTextStaysAValue(t *testing.T) {
	hostile := "a\nButler:\n  logLevel: error # <script>\u202e"
	quotedText, err := yaml.Marshal(hostile)
	if err != nil {
		t.Fatal(err)
	}
	c := mustLoad(t, "Butler:\n  qlikSenseCloud: {event: {mqtt: {tenant: {comment: "+fmt.Sprintf("%q", hostile)+"}}}}\n")
	shown := shownBy(t, c, MaskPrivate)
	tenant := written(t, shown)["qlikSenseCloud"].(map[string]any)["event"].(map[string]any)["mqtt"].(map[string]any)["tenant"].(map[string]any)
	if tenant["comment"] != hostile {
		t.Errorf("want %s, got %q", quotedText, tenant["comment"])
	}
	if got := settingAt(t, shown, "qlikSenseCloud.event.mqtt.tenant.comment"); strings.ContainsAny(got.Value, "\n\u202e") {
		t.Errorf("want one line that cannot be turned around, got %q", got.Value)
	}
}
