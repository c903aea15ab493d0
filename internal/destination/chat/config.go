package chat

import (
	"errors"
	"strings"

	"butler/internal/destination"
	"butler/internal/secret"
	"butler/messages"
)

// Settings are how the alerts of one section or route entry are sent, for any service.
type Settings struct {
	Enable           bool
	WebhookURL       secret.String
	MessageType      string
	BasicMsgTemplate string
	// RateLimit is in seconds, per kind and subject of an alert; 0 means no limit.
	RateLimit          float64
	HeadScriptLogLines int
	TailScriptLogLines int
	TemplateFile       string
	// AlertEnableByTag and BasicContentOnly apply to alerts from Qlik Cloud.
	AlertEnableByTag destination.TagGate
	BasicContentOnly bool
}

// event is Settings plus those of the service.
type event interface {
	common() Settings
	// Address implements destination.Spec.Address.
	Address() []string
}

func (s Settings) common() Settings { return s }

// Address implements destination.Spec.Address for a service with nothing in addition.
func (s Settings) Address() []string { return []string{s.WebhookURL.Reveal()} }

// Config is the section of a service, and the related values of other sections. The
// read function of a service must decode Cloud and call ReadSwitches.
type Config[E event] struct {
	Enable            bool
	ReloadTaskFailure E
	ReloadTaskAborted E
	ServiceStopped    E
	ServiceStarted    E
	// Cloud is how alerts of failed reloads in Qlik Cloud are sent.
	Cloud E `mapstructure:"-"`

	// services means that Windows services are monitored and alerted in the room, tenant
	// that there may be alerts of Qlik Cloud.
	services, tenant bool
}

// ReadSwitches reads the switches of the monitors; ofServices is the path of the
// service monitor's switch for the destination.
func (c *Config[E]) ReadSwitches(decode destination.Decode, ofServices string) error {
	return errors.Join(
		destination.AllOn(decode, &c.services, "serviceMonitor.enable", ofServices),
		destination.AllOn(decode, &c.tenant, "qlikSenseCloud.enable"),
	)
}

// uses lists the enabled sections. Qlik Cloud has a switch of its own and ignores the
// master switch.
func (c Config[E]) uses(s Service) []destination.Use[E] {
	of := func(kind messages.AlertKind, name string, e E, on bool) destination.Section[E] {
		return destination.Section[E]{Kind: kind, Path: s.Section + "." + name, Settings: e, On: c.Enable && on}
	}
	return destination.UsesOf(
		of(messages.ReloadTaskFailed, "reloadTaskFailure", c.ReloadTaskFailure, c.ReloadTaskFailure.common().Enable),
		of(messages.ReloadTaskAborted, "reloadTaskAborted", c.ReloadTaskAborted, c.ReloadTaskAborted.common().Enable),
		of(messages.ServiceStopped, "serviceStopped", c.ServiceStopped, c.services),
		of(messages.ServiceStarted, "serviceStarted", c.ServiceStarted, c.services),
		destination.Section[E]{Kind: messages.CloudReloadFailed, Path: s.CloudSection, Settings: c.Cloud, On: c.tenant && c.Cloud.common().Enable},
	)
}

// basic reports whether messages are one line.
func (s Settings) basic() bool { return strings.EqualFold(s.MessageType, "basic") }

// instance describes the queue of a room.
func (s Settings) instance(of Service) destination.Instance {
	i := destination.Instance{
		Needs:       destination.Needs{Task: true, App: true, Owner: true, Execution: true},
		Window:      destination.Seconds(s.RateLimit),
		Select:      s.AlertEnableByTag.Select,
		Pace:        of.Pace,
		MaxInFlight: 2,
	}
	if !s.BasicContentOnly {
		i.Needs.ScriptHead, i.Needs.ScriptTail = s.HeadScriptLogLines, s.TailScriptLogLines
	}
	return i
}

// check lists the problems of the settings, including those without effect.
func (s Settings) check(of Service, d destination.Deps) destination.Problems {
	var p destination.Problems
	p.WebAddress("webhookURL", s.WebhookURL.Reveal(), "write "+of.Address)
	p.Template("basicMsgTemplate", s.BasicMsgTemplate)
	if s.basic() {
		return p
	}
	p.TemplateFiles("templateFile", s.templateFiles(of, d))
	return p
}

// templateFiles lists the possible paths of the configured template.
func (s Settings) templateFiles(of Service, d destination.Deps) []string {
	if s.TemplateFile == "" {
		return nil
	}
	return of.templateFiles(d.Path(s.TemplateFile))
}

// templateFiles lists the possible paths of a template: as written and as shipped.
func (s Service) templateFiles(path string) []string { return []string{path, s.ShippedName(path)} }
