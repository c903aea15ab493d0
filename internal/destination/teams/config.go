package teams

import (
	"errors"
	"slices"
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
	AlertEnableByTag TagGate
	BasicContentOnly bool
}

// TagGate lets only alerts about apps with a certain tag through.
type TagGate struct {
	Enable bool
	Tag    string
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
	var monitored, told bool
	err := errors.Join(
		decode("serviceMonitor.enable", &monitored),
		decode("serviceMonitor.alertDestination.teams.enable", &told),
		decode("qlikSenseCloud.enable", &c.tenant),
		decode(cloudSection, &c.cloud),
	)
	c.services = monitored && told
	return err
}

// uses lists the sections that are switched on.
func uses(c Config) []destination.Use[Event] {
	var out []destination.Use[Event]
	for _, u := range []struct {
		kind  messages.AlertKind
		path  string
		event Event
		on    bool
	}{
		{messages.ReloadTaskFailed, section + ".reloadTaskFailure", c.ReloadTaskFailure, c.Enable && c.ReloadTaskFailure.Enable},
		{messages.ReloadTaskAborted, section + ".reloadTaskAborted", c.ReloadTaskAborted, c.Enable && c.ReloadTaskAborted.Enable},
		{messages.ServiceStopped, section + ".serviceStopped", c.ServiceStopped, c.Enable && c.services},
		{messages.ServiceStarted, section + ".serviceStarted", c.ServiceStarted, c.Enable && c.services},
		{messages.CloudReloadFailed, cloudSection, c.cloud, c.tenant && c.cloud.Enable},
	} {
		if u.on {
			out = append(out, destination.Use[Event]{Name: string(u.kind), Path: u.path, Kinds: []messages.AlertKind{u.kind}, Settings: u.event})
		}
	}
	return out
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

// selects implements Instance.Select. An app of which nothing is known passes:
// an alert is rather told to somebody who did not ask for it than to nobody.
func (g TagGate) selects(a *messages.Alert) destination.Selection {
	if a.App.Known && !slices.Contains(a.App.Tags, g.Tag) {
		return destination.Nobody("the app does not have the tag %q", g.Tag)
	}
	return destination.Everyone()
}
