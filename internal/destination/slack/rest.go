package slack

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"butler/internal/destination"
	"butler/internal/secret"
	"butler/internal/template"
)

// Webhook is the destination of messages from callers of the REST API.
type Webhook struct{ WebhookURL secret.String }

// restKey is the key that configures it.
const restKey = "slackNotification.restMessage.webhookURL"

// ReadWebhook reads its configuration.
func ReadWebhook(decode destination.Decode) (w Webhook, err error) {
	err = decode("slackNotification.restMessage", &w)
	return w, err
}

// Check lists its problems.
func (w Webhook) Check() destination.Problems {
	var p destination.Problems
	if !w.WebhookURL.IsSet() {
		p.Warn(restKey, "is empty, so no message is sent", "write the https address of an incoming webhook")
		return p
	}
	p.WebAddress(restKey, w.WebhookURL.Reveal(), "write the https address of an incoming webhook")
	return p
}

// Message is a message from a caller of the REST API, in Slack's markup.
type Message struct{ Channel, From, Text, Emoji string }

// Post sends a message, cut to Slack's limits. The webhook's defaults apply to empty fields.
func (w Webhook) Post(ctx context.Context, client *http.Client, m Message) error {
	if !w.WebhookURL.IsSet() {
		return errors.New("no webhook is configured: set " + restKey)
	}
	body, err := template.EncodeJSON(m.payload())
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	_, err = service().Post(ctx, client, w.WebhookURL, body)
	return err
}

func (m Message) payload() object {
	out := object{"blocks": []any{object{"type": "section", "text": object{"type": "mrkdwn", "text": m.Text}}}}
	fit(out)
	for key, value := range map[string]string{"username": m.From, "channel": m.Channel, "icon_emoji": m.Emoji} {
		if value != "" {
			out[key] = value
		}
	}
	return out
}
