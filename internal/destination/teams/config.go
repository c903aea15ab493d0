package teams

import (
	"errors"
	"strings"

	"butler/internal/destination"
	"butler/internal/destination/chat"
)

// Config is the section teamsNotification, and what other sections say of Teams.
type Config = chat.Config[Event]

// Event is how the alerts of one section, or of an entry of a route, are sent.
type Event struct {
	chat.Settings `mapstructure:",squash"`
	CardType      string
}

const (
	section      = "teamsNotification"
	cloudSection = "qlikSenseCloud.event.mqtt.tenant.alert.teamsNotification.reloadAppFailure"
)

// read completes the configuration with the switches of the monitors and the
// alerts of the cloud tenant.
func read(decode destination.Decode, c *Config) error {
	return errors.Join(
		c.ReadSwitches(decode, "serviceMonitor.alertDestination.teams.enable"),
		decode(cloudSection, &c.Cloud),
	)
}

// connector reports whether basic messages are cards of the older form.
func (e Event) connector() bool { return strings.EqualFold(e.CardType, "connector") }
