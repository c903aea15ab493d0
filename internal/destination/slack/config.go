package slack

import (
	"errors"

	"butler/internal/destination"
	"butler/internal/destination/chat"
)

// Config is the section slackNotification, and what other sections say of Slack.
type Config = chat.Config[Event]

// Event is how the alerts of one section, or of an entry of a route, are sent.
type Event struct {
	chat.Settings `mapstructure:",squash"`
	Channel       string
	FromUser      string
	IconEmoji     string
}

const (
	section      = "slackNotification"
	cloudSection = "qlikSenseCloud.event.mqtt.tenant.alert.slackNotification.reloadAppFailure"
)

// read completes the configuration with the switches of the monitors and the
// alerts of the cloud tenant.
func read(decode destination.Decode, c *Config) error {
	return errors.Join(
		c.ReadSwitches(decode, "serviceMonitor.alertDestination.slack.enable"),
		decode(cloudSection, &c.Cloud),
	)
}
