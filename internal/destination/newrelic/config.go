package newrelic

import (
	"time"

	"butler/internal/destination"
	"butler/internal/secret"
	"butler/messages"
)

const (
	section = "incidentTool.newRelic"
	// accountsKey is the section of the accounts, which other features use too.
	accountsKey = "thirdPartyToolsCredentials.newRelic"

	// timeout bounds one call.
	timeout = 10 * time.Second
)

// Config is the section incidentTool.newRelic.
type Config struct {
	Enable bool
	// DestinationAccount are accounts that get all reload alerts, besides those of the event.
	DestinationAccount struct{ Event, Log []string }
	URL                struct{ Event, Log string }
	ReloadTaskFailure  Reload
	ReloadTaskAborted  Reload
	ServiceMonitor     Services

	// accounts, servicesOn and usage are from other sections.
	accounts   []Account
	servicesOn bool
	usage      Usage
}

// Account is an account at New Relic, with its name in the configuration.
type Account struct {
	AccountName  string
	InsertAPIKey secret.String
	AccountID    int
}

// Reload is the part of the section for one event of reload tasks.
type Reload struct {
	Destination    struct{ Event, Log ReloadTarget }
	SharedSettings Shared
}

// ReloadTarget configures one form of it.
type ReloadTarget struct {
	Enable             bool
	SendToAccount      SendToAccount
	Attribute          Attribute
	TailScriptLogLines int
}

// SendToAccount selects the accounts for alerts about a task.
type SendToAccount struct {
	// ByCustomProperty names a custom property of the task whose values are account names.
	ByCustomProperty struct {
		Enable             bool
		CustomPropertyName string
	}
	// Always are accounts that get every alert.
	Always struct {
		Enable  bool
		Account []string
	}
}

// Services is the part of the section for Windows services.
type Services struct {
	Destination         struct{ Event, Log ServiceTarget }
	MonitorServiceState struct{ Running, Stopped struct{ Enable bool } }
	SharedSettings      Shared
}

// ServiceTarget configures one form of it.
type ServiceTarget struct {
	Enable        bool
	SendToAccount []string
	Attribute     Attribute
}

// Shared are the settings that the events and logs of a section share.
type Shared struct {
	// RateLimit is in seconds; 0 means no limit.
	RateLimit float64
	Header    []Header
	Attribute struct{ Static []Pair }
}

// Header is a header of every request.
type Header struct {
	Name  string
	Value secret.String
}

// Pair is a fixed attribute.
type Pair struct{ Name, Value string }

// Attribute selects the attributes that are sent.
type Attribute struct {
	// Static are fixed; the later of two with the same name wins.
	Static  []Pair
	Dynamic Dynamic
}

// Dynamic are the optional attributes.
type Dynamic struct {
	UseAppTags, UseTaskTags                                    bool
	ServiceHost, ServiceName, ServiceDisplayName, ServiceState bool
}

// Settings are how one use sends alerts.
type Settings struct {
	// Accounts get every alert of the use.
	Accounts           []string
	Event, Log         bool
	TailScriptLogLines int
	// RateLimit is in seconds; 0 means no limit.
	RateLimit float64
	Header    []Header
	Attribute Attribute

	// accountsAt is the key of Accounts below the path of a use of the section.
	accountsAt string
	// further are accounts of the section that also get every alert.
	further []string
	// property is the task's custom property that names further accounts; "" for none.
	property   string
	byProperty bool

	// metrics are for a use in that form.
	metrics metrics
	// form and account belong to one instance; see expand.
	form    form
	account Account
}

// read adds the values of other sections.
func read(decode destination.Decode, c *Config) error {
	if err := decode("thirdPartyToolsCredentials.newRelic", &c.accounts); err != nil {
		return err
	}
	var monitor ServiceMonitor
	if err := decode("serviceMonitor.alertDestination.newRelic", &monitor); err != nil {
		return err
	}
	c.servicesOn = monitor.Enable
	return decode("uptimeMonitor.storeNewRelic", &c.usage)
}

// ServiceMonitor is the New Relic switch of the section serviceMonitor.
type ServiceMonitor struct{ Enable bool }

// uses lists the enabled uses.
func uses(c Config) []destination.Use[Settings] {
	out := c.usage.uses()
	if !c.Enable {
		return out
	}
	out = append(out, c.ReloadTaskFailure.uses(c, messages.ReloadTaskFailed, "reloadTaskFailure")...)
	out = append(out, c.ReloadTaskAborted.uses(c, messages.ReloadTaskAborted, "reloadTaskAborted")...)
	if c.servicesOn {
		out = append(out, c.ServiceMonitor.uses()...)
	}
	return out
}

func (r Reload) uses(c Config, kind messages.AlertKind, name string) []destination.Use[Settings] {
	var out []destination.Use[Settings]
	for _, target := range []struct {
		form    form
		further []string
		ReloadTarget
	}{
		{asEvent, c.DestinationAccount.Event, r.Destination.Event},
		{asLog, c.DestinationAccount.Log, r.Destination.Log},
	} {
		if !target.Enable {
			continue
		}
		s := r.SharedSettings.settings(target.form, target.Attribute)
		s.accountsAt, s.further, s.TailScriptLogLines = "sendToAccount.always.account", target.further, target.TailScriptLogLines
		if always := target.SendToAccount.Always; always.Enable {
			s.Accounts = always.Account
		}
		if by := target.SendToAccount.ByCustomProperty; by.Enable {
			s.byProperty, s.property = true, by.CustomPropertyName
		}
		out = append(out, destination.Use[Settings]{
			Name: string(kind) + "/" + string(target.form), Path: section + "." + name + ".destination." + string(target.form),
			Kinds: []messages.AlertKind{kind}, Settings: s,
		})
	}
	return out
}

func (s Services) uses() []destination.Use[Settings] {
	var kinds []messages.AlertKind
	if s.MonitorServiceState.Stopped.Enable {
		kinds = append(kinds, messages.ServiceStopped)
	}
	if s.MonitorServiceState.Running.Enable {
		kinds = append(kinds, messages.ServiceStarted)
	}
	var out []destination.Use[Settings]
	for _, target := range []struct {
		form form
		ServiceTarget
	}{{asEvent, s.Destination.Event}, {asLog, s.Destination.Log}} {
		if !target.Enable || len(kinds) == 0 {
			continue
		}
		settings := s.SharedSettings.settings(target.form, target.Attribute)
		settings.accountsAt, settings.Accounts = "sendToAccount", target.SendToAccount
		out = append(out, destination.Use[Settings]{
			Name: "windows_service/" + string(target.form), Path: section + ".serviceMonitor.destination." + string(target.form),
			Kinds: kinds, Settings: settings,
		})
	}
	return out
}

// settings returns the settings of one form of a section. Its own attributes override
// the shared ones.
func (s Shared) settings(f form, own Attribute) Settings {
	own.Static = append(append([]Pair(nil), s.Attribute.Static...), own.Static...)
	return Settings{form: f, RateLimit: s.RateLimit, Header: s.Header, Attribute: own}
}
