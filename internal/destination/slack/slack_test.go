package slack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"butler/internal/destination/destinationtest"
)

const webhookPath = "/services/T0001/B0002/s3cr3tW3bh00k"

// config switches everything on: all sections, and a route for the events without one.
func config(address string) string {
	return fmt.Sprintf(`
slackNotification:
  enable: true
  restMessage: {webhookURL: %[1]s/rest}
  reloadTaskFailure: {enable: true, webhookURL: %[1]s%[2]s, channel: sense-task-failure, messageType: formatted,
    basicMsgTemplate: 'Qlik Sense reload failed: "{{taskName}}"', rateLimit: 300, headScriptLogLines: 3, tailScriptLogLines: 3,
    fromUser: Qlik Sense, iconEmoji: ":ghost:"}
  reloadTaskAborted: {enable: true, webhookURL: %[1]s%[2]s, channel: sense-task-aborted, messageType: basic,
    basicMsgTemplate: 'Qlik Sense reload aborted: "{{taskName}}"', rateLimit: 300, headScriptLogLines: 3, tailScriptLogLines: 3,
    fromUser: Qlik Sense, iconEmoji: ":ghost:"}
  serviceStopped: {webhookURL: %[1]s%[2]s, rateLimit: 30}
  serviceStarted: {webhookURL: %[1]s%[2]s, rateLimit: 60}
serviceMonitor: {enable: true, alertDestination: {slack: {enable: true}}}
qlikSenseCloud:
  enable: true
  event: {mqtt: {tenant: {alert: {slackNotification: {reloadAppFailure: {enable: true, webhookURL: %[1]s%[2]s,
    alertEnableByTag: {enable: false, tag: Butler alerts}, headScriptLogLines: 2, tailScriptLogLines: 2}}}}}}
routes:
  - name: rest
    match: {events: [succeeded, external_program_task_failed, user_sync_task_failed, distribute_task_failed, preload_task_failed,
      windows_service_status, server_license_status, server_license_expiring]}
    slack: [{webhookURL: %[1]s%[2]s, channel: rest, headScriptLogLines: 2, tailScriptLogLines: 2}]
`, address, webhookPath)
}

func TestSlack_keepsTheContractOfADestination(t *testing.T) {
	destinationtest.Run(t, destinationtest.Fixture{
		Definition: Definition(),
		Config:     config,
		Secrets:    []string{"s3cr3tW3bh00k", webhookPath},
		Mistakes: `
slackNotification:
  enable: true
  reloadTaskFailure: {enable: true, webhookURL: "ftp://hooks.example.com` + webhookPath + `", basicMsgTemplate: ok, templateFile: none.handlebars}
  reloadTaskAborted: {enable: true, webhookURL: "https:` + webhookPath + `", basicMsgTemplate: "{{#if", messageType: basic, templateFile: unused}
serviceMonitor: {enable: true, alertDestination: {slack: {enable: true}}}
qlikSenseCloud: {enable: true, event: {mqtt: {tenant: {alert: {slackNotification: {reloadAppFailure: {enable: true,
  webhookURL: "` + webhookPath + `", messageType: basic}}}}}}}
`,
		MistakenPaths: []string{
			"slackNotification.reloadTaskFailure.webhookURL", "slackNotification.reloadTaskFailure.templateFile",
			"slackNotification.reloadTaskAborted.webhookURL", "slackNotification.reloadTaskAborted.basicMsgTemplate",
			"slackNotification.serviceStopped.webhookURL", "slackNotification.serviceStarted.webhookURL",
			cloudSection + ".webhookURL",
		},
		Inspect: inspect,
	})
}

// inspect checks that Slack would take the message.
func inspect(t *testing.T, _ destinationtest.Sample, received []string) {
	t.Helper()
	for _, request := range received {
		_, body, _ := strings.Cut(request, "\n\n")
		var message map[string]any
		if err := json.Unmarshal([]byte(body), &message); err != nil {
			t.Fatalf("the payload is not JSON: %v", err)
		}
		var sent bytes.Buffer
		if err := json.Compact(&sent, []byte(body)); err != nil { // the bench shows it indented
			t.Fatal(err)
		}
		if n := utf8.RuneCount(sent.Bytes()); n > maxMessage {
			t.Errorf("want at most %d characters, got %d", maxMessage, n)
		}
		wantFits(t, message)
	}
}

func wantFits(t *testing.T, message map[string]any) {
	t.Helper()
	blocks, _ := message["blocks"].([]any)
	if len(blocks) == 0 || len(blocks) > maxBlocks {
		t.Errorf("want 1 to %d blocks, got %d", maxBlocks, len(blocks))
	}
	for _, b := range blocks {
		block := b.(map[string]any)
		limit := map[any]int{"header": maxHeader, "section": maxText, "context": maxText}[block["type"]]
		wantText(t, block["text"], limit)
		for _, list := range []string{"fields", "elements"} {
			items, _ := block[list].([]any)
			for _, item := range items {
				wantText(t, item, map[string]int{"fields": maxField, "elements": maxText}[list])
			}
		}
	}
}

func wantText(t *testing.T, v any, limit int) {
	t.Helper()
	object, _ := v.(map[string]any)
	text, ok := object["text"].(string)
	if !ok {
		return
	}
	units := len(utf16.Encode([]rune(text)))
	if text == "" || units > limit {
		t.Errorf("want 1 to %d characters, got %d: %.60s", limit, units, text)
	}
	if strings.Count(text, fence)%2 == 1 {
		t.Errorf("a code block is not closed: %.60s", text)
	}
}
