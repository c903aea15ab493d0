package config

import (
	"path/filepath"
	"slices"
	"testing"
)

func TestSecrets_listsEveryPartThatMustNotBeSeen(t *testing.T) {
	c := mustLoad(t, `Butler:
  slackNotification:
    reloadTaskFailure: {webhookURL: "https://hooks.slack.com/services/T0/B0/Zk3y0123456789"}
  emailNotification: {smtp: {host: "${env:MAIL}", auth: {user: joe, password: hunter2}}}
  qlikSenseUrls: {qmc: "https://u:swordfish@sense.example.com/qmc?token=opensesame#frag", hub: "https://sense.example.com/hub"}
  thirdPartyToolsCredentials: {newRelic: [{accountName: a, insertApiKey: nr-secret, accountId: 1}]}
`, "MAIL=mail.example.com")
	got, err := c.Secrets()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"hunter2", "mail.example.com", "swordfish", "opensesame", "token=opensesame", "frag", "nr-secret",
		"/services/T0/B0/Zk3y0123456789", "Zk3y0123456789", "https://hooks.slack.com/services/T0/B0/Zk3y0123456789",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("want %q among the secrets, got %q", want, got)
		}
	}
	for _, word := range []string{"services", "joe", "/qmc", "https://sense.example.com/hub", ""} {
		if slices.Contains(got, word) {
			t.Errorf("%q is no secret", word)
		}
	}
	if !slices.IsSortedFunc(got, func(a, b string) int { return len(b) - len(a) }) {
		t.Errorf("want the longest first, got %q", got)
	}
}

func TestNamedFiles_areAbsolute(t *testing.T) {
	c := mustLoad(t, "Butler:\n  restServerConfig: {tls: {key: keys/rest.pem}}\n")
	want := FileKey{Path: "restServerConfig.tls.key", File: filepath.Join(c.BaseDir(), "keys", "rest.pem")}
	if got := c.NamedFiles(); !slices.Contains(got, want) {
		t.Errorf("want %v, got %v", want, got)
	}
}
