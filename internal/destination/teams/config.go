package teams

import (
	"errors"
	"strings"

	"butler/internal/destination"
	"butler/internal/destination/chat"
)

// Config is the section teamsNotification and the related values of other sections.
type Config = chat.Config[Event]

// Event is how the alerts of one section or route entry are sent.
type Event struct {
	chat.Settings `mapstructure:",squash"`
	CardType      string
}

const (
	section      = "teamsNotification"
	cloudSection = "qlikSenseCloud.event.mqtt.tenant.alert.teamsNotification.reloadAppFailure"
)

// read adds the switches of the monitors and the settings for alerts of the cloud tenant.
func read(decode destination.Decode, c *Config) error {
	return errors.Join(
		c.ReadSwitches(decode, "serviceMonitor.alertDestination.teams.enable"),
		decode(cloudSection, &c.Cloud),
	)
}

// connector reports whether basic messages are connector cards, the older form.
func (e Event) connector() bool { return strings.EqualFold(e.CardType, "connector") }
