package slack

import (
	"errors"

	"butler/internal/destination"
	"butler/internal/destination/chat"
)

// Config is the section slackNotification and the related values of other sections.
type Config = chat.Config[Event]

// Event is how the alerts of one section or route entry are sent.
type Event struct {
	chat.Settings `mapstructure:",squash"`
	Channel       string
	FromUser      string
	IconEmoji     string
}

// Address implements destination.Spec.Address: a webhook may post to several channels.
func (e Event) Address() []string { return append(e.Settings.Address(), e.Channel) }

const (
	section      = "slackNotification"
	cloudSection = "qlikSenseCloud.event.mqtt.tenant.alert.slackNotification.reloadAppFailure"
)

// read adds the switches of the monitors and the settings for alerts of the cloud tenant.
func read(decode destination.Decode, c *Config) error {
	return errors.Join(
		c.ReadSwitches(decode, "serviceMonitor.alertDestination.slack.enable"),
		decode(cloudSection, &c.Cloud),
	)
}
