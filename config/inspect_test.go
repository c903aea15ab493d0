package config

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// inspected loads a text with findings of somebody else.
func inspected(tb testing.TB, text string, lenient bool, environ []string, findings ...Finding) (*Config, string, error) {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "butler.yaml")
	c, err := load(Options{
		Path: path, Environ: environ, Lenient: lenient, Inspect: func(*Config) []Finding { return findings },
		Overrides: map[string]any{"logLevel": "debug"},
	}, schema(tb), []byte(text))
	return c, path, err
}

const inspectedText = `Butler:
  logLevl: info
  emailNotification:
    smtp: {host: mail}
    reloadTaskFailure:
      fromAddress: 7
      recipients:
        - anna@example.com
        - bert
  webhookNotification:
    reloadTaskFailure:
      webhooks: [{webhookURL: "https://a"}, {webhookURL: "https://b"}]
  influxDb:
    retentionPolicy: {duration: forever}
`

func TestInspect_findingsAreListedWithAllOtherProblemsAtTheirPlace(t *testing.T) {
	_, path, err := inspected(t, inspectedText, false, []string{"BUTLER_SLACKNOTIFICATION_RELOADTASKFAILURE_TEMPLATEFILE=x", "BUTLER_UDPSERVERCONFIG_ALLOWEDSOURCES=a,b"},
		Finding{Path: "udpServerConfig.allowedSources[1]", Reason: "is no source"},
		Finding{Path: "influxDb.v1Config.retentionPolicy.duration", Reason: "is no duration", Suggestion: "write 10d"},
		Finding{Path: "emailNotification.reloadTaskFailure.fromAddress", Reason: "is no address"}, // refused already
		Finding{Path: "emailNotification.reloadTaskFailure.recipients[1]", Reason: "gets no mail", Warning: true},
		Finding{Path: "emailNotification.reloadTaskFailure.subject", Reason: "is odd"}, // not written
		Finding{Path: "webhookNotification.reloadTaskFailure.webhooks[1].webhookURL", Reason: "is no address\x1b[31m\nforged"},
		Finding{Path: "webhookNotification.reloadTaskFailure.webhooks[0].cert.certCA", Reason: "is missing"},
		Finding{Path: "slackNotification.reloadTaskFailure.templateFile", Reason: "is missing"},
		Finding{Path: "logLevel", Reason: "is loud"},
	)
	want := []string{
		"command line: logLevel: is loud",
		"environment: BUTLER_SLACKNOTIFICATION_RELOADTASKFAILURE_TEMPLATEFILE: is missing",
		"environment: BUTLER_UDPSERVERCONFIG_ALLOWEDSOURCES[1]: is no source",
		path + ":2:3: logLevl: unknown key (did you mean logLevel?)",
		path + ":5:5: emailNotification.reloadTaskFailure.subject: is odd",
		path + ":6:20: emailNotification.reloadTaskFailure.fromAddress: must be text, not a number (put it in quotes: \"7\")",
		path + ":9:11: warning: emailNotification.reloadTaskFailure.recipients[1]: gets no mail",
		path + ":12:18: webhookNotification.reloadTaskFailure.webhooks[0].cert.certCA: is missing",
		path + ":12:46: webhookNotification.reloadTaskFailure.webhooks[1].webhookURL: is no address?[31m?forged",
		path + ":14:23: influxDb.retentionPolicy.duration: is no duration (write 10d)",
	}
	var problems *Problems
	if !errors.As(err, &problems) || problems.Count() != 9 {
		t.Fatalf("want 9 problems, got %v", err)
	}
	got := map[string]bool{}
	for line := range strings.Lines(err.Error()) {
		got[strings.TrimSuffix(line, "\n")] = true
	}
	for _, line := range want {
		if !got[line] {
			t.Errorf("want %q", line)
		}
		delete(got, line)
	}
	for line := range got {
		t.Errorf("got %q too", line)
	}
}

func TestInspect_findingsAboutListsCountTheItemsThatAreLeftOut(t *testing.T) {
	const text = `Butler:
  fileCopyApprovedDirectories:
    - {fromDirectory: "", toDirectory: /a}
    - {fromDirectory: /b, toDirectory: /c}
`
	c, path, err := inspected(t, text, false, nil, Finding{Path: "fileCopyApprovedDirectories[0].toDirectory", Reason: "is odd", Warning: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range c.Warnings() {
		got = append(got, w.String())
	}
	want := path + ":4:27: warning: fileCopyApprovedDirectories[1].toDirectory: is odd"
	if len(got) != 2 || got[1] != want {
		t.Errorf("want the other item ignored, and then %s, got %q", want, got)
	}
}

func TestInspect_aWarningStopsNothing(t *testing.T) {
	c, path, err := inspected(t, "Butler:\n  fileLogging: true\n", false, nil, Finding{Path: "fileLogging", Reason: "fills the disk", Warning: true})
	if err != nil {
		t.Fatal(err)
	}
	want := []Problem{{File: path, Line: 2, Column: 3, Path: "fileLogging", Reason: "fills the disk", Warning: true}}
	if diff := cmp.Diff(want, c.Warnings()); diff != "" {
		t.Error(diff)
	}
	if len(c.Ignored()) > 0 {
		t.Errorf("a warning is no problem: %v", c.Ignored())
	}
}

func TestInspect_lenientGivesWhatIsWrongItsDefault(t *testing.T) {
	c, _, err := inspected(t, `Butler:
  fileLogging: true
  logDirectory: logs
  operations: {host: 0.0.0.0}
  udpServerConfig: {enable: true, enableSourceValidation: true, allowedSources: [10.0.0.1, 10.0.0.256]}
  webhookNotification: {reloadTaskFailure: {webhooks: [{webhookURL: "ftp://a"}, {webhookURL: "https://b"}]}}
`, true, nil,
		Finding{Path: "fileLogging", Reason: "fills the disk"},
		Finding{Path: "logDirectory", Reason: "is far away", Warning: true},
		Finding{Path: "webhookNotification.reloadTaskFailure.webhooks[0].webhookURL", Reason: "is no address"},
		Finding{Path: "udpServerConfig.allowedSources[1]", Reason: "is no source"},
		Finding{Path: "cert", Reason: "is a section"})
	if err != nil || len(c.Ignored()) != 5 || len(c.Warnings()) != 1 {
		t.Fatalf("want five ignored problems and a warning, got %v, %v, %v", c.Ignored(), c.Warnings(), err)
	}
	var rest struct {
		Enable bool
		Port   int
	}
	if err := c.Section("operations", &rest); err != nil || !rest.Enable || rest.Port != 9997 {
		t.Errorf("want the rest of the section, got %+v, %v", rest, err)
	}
	if l := c.Log(); l.ToFiles || filepath.Base(l.Directory) != "logs" || c.Source("fileLogging").Kind != FromDefault {
		t.Errorf("want the default for what is wrong and nothing else, got %+v", l)
	}
	if o, u := c.Operations(), c.UDP(); o.Host != "localhost" || len(u.AllowedSources) != 0 || !u.ValidateSources {
		t.Errorf("want a refused rule to leave the service closed, got %+v and %+v", o, u)
	}
	var hooks struct{ Webhooks []struct{ WebhookURL string } }
	if err := c.Section("webhookNotification.reloadTaskFailure", &hooks); err != nil || len(hooks.Webhooks) != 2 {
		t.Errorf("want the other items of a list left alone, got %v, %v", hooks, err)
	}
}

func TestInspect_seesAConfigurationWithoutWhatWasRefused(t *testing.T) {
	var port int
	path := filepath.Join(t.TempDir(), "butler.yaml")
	_, err := load(Options{Path: path, Inspect: func(c *Config) []Finding {
		port = c.UDP().Port
		return nil
	}}, schema(t), []byte("Butler:\n  udpServerConfig: {portTaskFailure: 70000}\n"))
	if err == nil || port != 9998 {
		t.Errorf("want the default port beside the problem, got %d, %v", port, err)
	}
}
