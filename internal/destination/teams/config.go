package teams

import (
	"errors"
	"strings"

	"butler/internal/destination"
	"butler/internal/secret"
	"butler/internal/template"
	"butler/messages"
)

// Config is the section teamsNotification, and what other sections say of Teams.
type Config struct {
	Enable            bool
	ReloadTaskFailure Event
	ReloadTaskAborted Event
	ServiceStopped    Event
	ServiceStarted    Event

	// services says that Windows services are monitored and Teams is told of them.
	services bool
	// cloud is how failed reloads in Qlik Cloud are sent; tenant says that there are any.
	cloud  Event
	tenant bool
}

// Event is how the alerts of one section, or of an entry of a route, are sent.
type Event struct {
	Enable           bool
	WebhookURL       secret.String
	MessageType      string
	CardType         string
	BasicMsgTemplate string
	// RateLimit is in seconds, per subject of an alert; 0 means no limit.
	RateLimit          float64
	HeadScriptLogLines int
	TailScriptLogLines int
	TemplateFile       string
	// AlertEnableByTag and BasicContentOnly are of alerts from Qlik Cloud.
	AlertEnableByTag destination.TagGate
	BasicContentOnly bool
}

// Values of messageType and cardType.
const (
	basicType     = "basic"
	connectorCard = "connector"
)

const (
	section      = "teamsNotification"
	cloudSection = "qlikSenseCloud.event.mqtt.tenant.alert.teamsNotification.reloadAppFailure"
)

// read completes the configuration with the switches of the monitors and the
// alerts of the cloud tenant.
func read(decode destination.Decode, c *Config) error {
	return errors.Join(
		destination.AllOn(decode, &c.services, "serviceMonitor.enable", "serviceMonitor.alertDestination.teams.enable"),
		destination.AllOn(decode, &c.tenant, "qlikSenseCloud.enable"),
		decode(cloudSection, &c.cloud),
	)
}

// uses lists the sections that are switched on.
func uses(c Config) []destination.Use[Event] {
	of := func(kind messages.AlertKind, name string, e Event, on bool) destination.Section[Event] {
		return destination.Section[Event]{Kind: kind, Path: section + "." + name, Settings: e, On: c.Enable && on}
	}
	return destination.UsesOf(
		of(messages.ReloadTaskFailed, "reloadTaskFailure", c.ReloadTaskFailure, c.ReloadTaskFailure.Enable),
		of(messages.ReloadTaskAborted, "reloadTaskAborted", c.ReloadTaskAborted, c.ReloadTaskAborted.Enable),
		of(messages.ServiceStopped, "serviceStopped", c.ServiceStopped, c.services),
		of(messages.ServiceStarted, "serviceStarted", c.ServiceStarted, c.services),
		destination.Section[Event]{Kind: messages.CloudReloadFailed, Path: cloudSection, Settings: c.cloud, On: c.tenant && c.cloud.Enable},
	)
}

func (e Event) basic() bool     { return strings.EqualFold(e.MessageType, basicType) }
func (e Event) connector() bool { return strings.EqualFold(e.CardType, connectorCard) }

// templateFiles lists where the template may be: as written, and under the name
// that the shipped one has without the "-workflow" of old sample configurations.
func (e Event) templateFiles(d destination.Deps) []string {
	if e.TemplateFile == "" {
		return nil
	}
	path := d.Path(e.TemplateFile)
	return []string{path, strings.ReplaceAll(path, "-workflow"+template.Extension, template.Extension)}
}
