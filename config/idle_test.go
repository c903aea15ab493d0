package config

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// mistyped returns a configuration in which every key that has a switch holds what no
// key can, all switches are on or off, and how many keys that are.
func mistyped(t *testing.T, root *node, on bool) (text []byte, keys int) {
	t.Helper()
	all := layer{}
	for n := range root.values {
		switch {
		case n.name == "enable" && n.Type == kindBool:
			all[n.path] = setting{value: on}
		case len(n.switches()) > 0:
			all[n.path] = setting{value: map[string]any{"a": 1}}
			keys++
		}
	}
	text, err := yaml.Marshal(map[string]any{rootKey: all.nest("")})
	if err != nil {
		t.Fatal(err)
	}
	return text, keys
}

func TestIdle_nothingThatIsOffKeepsTheServiceFromStarting(t *testing.T) {
	root := schema(t)
	text, keys := mistyped(t, root, false)
	c, err := load(Options{Path: filepath.Join(t.TempDir(), "butler.yaml")}, root, text)
	if err != nil {
		t.Fatalf("want warnings of %d keys, got\n%v", keys, err)
	}
	if got := len(c.Warnings()); got != min(keys, maxProblems) {
		t.Errorf("want all the warnings of %d keys that there is room for, got %d", keys, got)
	}
}

func TestIdle_everythingThatIsOnHasToBeRight(t *testing.T) {
	root := schema(t)
	text, keys := mistyped(t, root, true)
	_, err := load(Options{Path: filepath.Join(t.TempDir(), "butler.yaml")}, root, text)
	var problems *Problems
	if !errors.As(err, &problems) || problems.Count() < keys || len(problems.Warnings) > 0 {
		t.Errorf("want problems of %d keys and no warnings, got %v", keys, err)
	}
}

// told returns what a text is told of, "warning: " before what keeps nobody from starting.
func told(t *testing.T, text string, environ []string, findings ...Finding) []string {
	t.Helper()
	c, err := load(Options{
		Path: filepath.Join(t.TempDir(), "butler.yaml"), Environ: environ, Inspect: func(*Config) []Finding { return findings },
	}, schema(t), []byte("Butler:\n  "+text+"\n"))
	var problems *Problems
	var list []Problem
	switch {
	case errors.As(err, &problems):
		list = append(problems.List, problems.Warnings...)
	case err != nil:
		t.Fatal(err)
	default:
		list = c.Warnings()
	}
	var out []string
	for _, p := range list {
		line := p.Path + ": " + p.Reason
		if p.Warning {
			line = "warning: " + line
		}
		out = append(out, line)
	}
	return out
}

func TestIdle_whatCountsAsOff(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		environ    []string
		found      []Finding
		want       []string
	}{
		{
			name: "its own switch", text: "heartbeat: {enable: false, remoteURL: nowhere}",
			want: []string{"warning: heartbeat.remoteURL: is a URI without a scheme; ignored while heartbeat.enable is false"},
		},
		{
			name: "that of a parent", text: "slackNotification: {enable: false, reloadTaskFailure: {enable: true, rateLimit: many}}",
			want: []string{"warning: slackNotification.reloadTaskFailure.rateLimit: must be a number, not text; ignored while slackNotification.enable is false"},
		},
		{
			name: "the value of a variable", text: "dockerHealthCheck: {enable: false}", environ: []string{"BUTLER_DOCKERHEALTHCHECK_PORT=http"},
			want: []string{"warning: BUTLER_DOCKERHEALTHCHECK_PORT: is not a plain decimal number; ignored while dockerHealthCheck.enable is false"},
		},
		{
			name: "switched on by a variable", text: "dockerHealthCheck: {enable: false, port: http}", environ: []string{"BUTLER_DOCKERHEALTHCHECK_ENABLE=true"},
			want: []string{"dockerHealthCheck.port: must be a port number, not text"},
		},
		{
			name: "a list item", text: "emailNotification: {enable: false, reloadTaskFailure: {appOwnerAlert: {excludeOwner: {user: [{directory: LAB}]}}}}",
			want: []string{"warning: emailNotification.reloadTaskFailure.appOwnerAlert.excludeOwner.user[0].userId: is missing; ignored while emailNotification.enable is false"},
		},
		{
			name: "a switch in a list item", text: `webhookNotification: {enable: true, reloadTaskFailure: {webhooks: [{webhookURL: "https://a", cert: {enable: false, certCA: "C:\temp\new.pem"}}, {webhookURL: "https://a", cert: {enable: true, certCA: "C:\temp\new.pem"}}]}}`,
			want: []string{
				"webhookNotification.reloadTaskFailure.webhooks[1].cert.certCA: a path cannot hold control characters",
				"warning: webhookNotification.reloadTaskFailure.webhooks[0].cert.certCA: a path cannot hold control characters; ignored while webhookNotification.reloadTaskFailure.webhooks[].cert.enable is false",
			},
		},
		{
			name: "what the owner of the section finds", text: "udpServerConfig: {enable: false, allowedSources: ['']}",
			found: []Finding{{Path: "udpServerConfig.allowedSources[0]", Reason: "is no address"}},
			want:  []string{"warning: udpServerConfig.allowedSources[0]: is no address; ignored while udpServerConfig.enable is false"},
		},
		{
			name: "a switch under its other name", text: "influxDb: {enable: true, hostIP: influx, auth: {enable: true, username: 7}}",
			want: []string{"influxDb.auth.username: must be text, not a number"},
		},
		{
			name: "a switch that is wrong itself", text: "dockerHealthCheck: {enable: 'false', port: http}",
			want: []string{"dockerHealthCheck.enable: must be true or false, not text", "dockerHealthCheck.port: must be a port number, not text"},
		},
		{
			name: "a switch that may have been forgotten", text: "dockerHealthCheck: {port: http}",
			want: []string{"dockerHealthCheck.port: must be a port number, not text"},
		},
		{
			name: "a misspelt key", text: "dockerHealthCheck: {enable: false, prot: 1}",
			want: []string{"dockerHealthCheck.prot: unknown key"},
		},
		{
			name: "a key that is set twice", text: "dockerHealthCheck: {enable: false, port: 1, port: 1}",
			want: []string{"dockerHealthCheck.port: is set twice, first in line 2"},
		},
		{
			name: "a section that always counts", text: "slackNotification: {enable: false, restMessage: {webhookURL: nowhere}}",
			want: []string{"slackNotification.restMessage.webhookURL: is a URI without a scheme"},
		},
		{
			name: "a switch that is not used", text: "keyValueStore: {enable: false, maxKeysPerNamespace: -1}",
			want: []string{"keyValueStore.maxKeysPerNamespace: is too small"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, told(t, tt.text, tt.environ, tt.found...)); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoad_aNumberThatIsNotUsedMayBeAny(t *testing.T) {
	text := `restServerConfig: {enable: true, backgroundServerPort: 0}
  influxDb: {enable: true, hostIP: influx, v3Config: {queryTimeout: -0.5}}`
	if got := told(t, text, nil); len(got) > 0 {
		t.Errorf("want nothing told, got %q", got)
	}
}

func TestLoad_anEntryWithEmptyTextCountsAsNotThere(t *testing.T) {
	for _, tt := range []struct{ name, text, list string }{
		{"a user who keeps the licence", "qlikSenseLicense: {licenseRelease: {neverRelease: {user: [{userDir: LAB, userId: ''}, {userDir: LAB, userId: anna}]}}}", "qlikSenseLicense.licenseRelease.neverRelease.user"},
		{"an owner", "emailNotification: {reloadTaskFailure: {appOwnerAlert: {includeOwner: {user: [{directory: '', userId: anna}, {directory: LAB, userId: anna}]}}}}", "emailNotification.reloadTaskFailure.appOwnerAlert.includeOwner.user"},
		{"an account", "thirdPartyToolsCredentials: {newRelic: [{accountName: a, insertApiKey: '', accountId: 1}, {accountName: b, insertApiKey: k, accountId: 2}]}", "thirdPartyToolsCredentials.newRelic"},
		{"a header", "incidentTool: {newRelic: {reloadTaskFailure: {sharedSettings: {header: [{name: A, value: ''}, {name: B, value: b}]}}}}", "incidentTool.newRelic.reloadTaskFailure.sharedSettings.header"},
		{"a tag without a name", "influxDb: {tag: {static: [{name: '', value: x}, {name: env, value: ''}]}}", "influxDb.tag.static"},
		{"a directory", "fileCopyApprovedDirectories: [{fromDirectory: '', toDirectory: b}, {fromDirectory: a, toDirectory: b}]", "fileCopyApprovedDirectories"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := load(Options{Path: filepath.Join(t.TempDir(), "butler.yaml")}, schema(t), []byte("Butler:\n  "+tt.text+"\n"))
			if err != nil {
				t.Fatalf("want a warning, got %v", err)
			}
			if w := c.Warnings(); len(w) != 1 || !strings.Contains(w[0].Reason, "is ignored") {
				t.Errorf("want one warning of the entry, got %v", w)
			}
			if items, _ := c.merged.Get(tt.list).([]any); tt.list != "" && len(items) != 1 {
				t.Errorf("want the other entry alone, got %v", items)
			}
		})
	}
}

func TestLoad_anEntryThatMeansMoreWithoutEmptyTextIsRefused(t *testing.T) {
	for _, text := range []string{
		"routes: [{name: ''}]",
		"routes: [{name: a, match: {taskCustomProperties: [{name: '', value: x}]}}]",
		"restServerConfig: {auth: {certificates: [{commonName: '', scopes: [read]}]}}",
		"webhookNotification: {reloadTaskFailure: {webhooks: [{webhookURL: ''}]}}",
		"webhookNotification: {reloadTaskFailure: {webhooks: [{webhookURL: 'https://a', cert: {enable: true, certCA: ''}}]}}",
	} {
		if got := told(t, text, nil); len(got) != 1 || !strings.HasSuffix(got[0], ": is missing") || strings.HasPrefix(got[0], "warning") {
			t.Errorf("%s: want it refused, got %q", text, got)
		}
	}
}
