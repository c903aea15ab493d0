// Package all owns the list of destinations. A new destination is a folder next to
// this one and a line here. The package must never hold anything else.
package all

import (
	"butler/internal/destination"
	"butler/internal/destination/disklog"
	"butler/internal/destination/email"
	"butler/internal/destination/influxdb"
	"butler/internal/destination/mqtt"
	"butler/internal/destination/newrelic"
	"butler/internal/destination/signl4"
	"butler/internal/destination/slack"
	"butler/internal/destination/teams"
	"butler/internal/destination/url"
	"butler/internal/destination/webhook"
)

// Definitions lists every destination, in the order of the documentation.
func Definitions() []destination.Definition {
	return []destination.Definition{
		email.Definition(),
		slack.Definition(),
		teams.Definition(),
		webhook.Definition(),
		mqtt.Definition(),
		signl4.Definition(),
		newrelic.Definition(),
		influxdb.Definition(),
		disklog.Definition(),
		url.Definition(),
	}
}
