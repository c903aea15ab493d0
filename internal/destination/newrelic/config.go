package newrelic

import (
	"time"

	"butler/internal/destination"
	"butler/internal/secret"
	"butler/messages"
)

const (
	section = "incidentTool.newRelic"
	// accountsKey is where the accounts are, which other features use as well.
	accountsKey = "thirdPartyToolsCredentials.newRelic"

	// timeout bounds one call.
	timeout = 10 * time.Second
)

// Config is the section incidentTool.newRelic.
type Config struct {
	Enable bool
	// DestinationAccount are accounts that get everything about reloads, beside those of the event.
	DestinationAccount struct{ Event, Log []string }
	URL                struct{ Event, Log string }
	ReloadTaskFailure  Reload
	ReloadTaskAborted  Reload
	ServiceMonitor     Services

	// accounts, servicesOn and usage are of other sections.
	accounts   []Account
	servicesOn bool
	usage      Usage
}

// Account is one account at New Relic, under the name that the configuration uses.
type Account struct {
	AccountName  string
	InsertAPIKey secret.String
	AccountID    int
}

// Reload is what the section says of one event of a reload task.
type Reload struct {
	Destination    struct{ Event, Log ReloadTarget }
	SharedSettings Shared
}

// ReloadTarget is one form of it.
type ReloadTarget struct {
	Enable             bool
	SendToAccount      SendToAccount
	Attribute          Attribute
	TailScriptLogLines int
}

// SendToAccount chooses accounts for the alerts about a task.
type SendToAccount struct {
	// ByCustomProperty names a custom property of the task whose values are accounts.
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

// Services is what the section says of Windows services.
type Services struct {
	Destination         struct{ Event, Log ServiceTarget }
	MonitorServiceState struct{ Running, Stopped struct{ Enable bool } }
	SharedSettings      Shared
}

// ServiceTarget is one form of it.
type ServiceTarget struct {
	Enable        bool
	SendToAccount []string
	Attribute     Attribute
}

// Shared is what events and logs of a section have in common.
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

// Attribute says which attributes are sent.
type Attribute struct {
	// Static are fixed; of two with one name the later counts.
	Static  []Pair
	Dynamic Dynamic
}

// Dynamic are the attributes that can be left out.
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
	// further are accounts of the section that get every alert, too.
	further []string
	// property is the custom property of the task that names further accounts; "" for none.
	property   string
	byProperty bool

	// metrics are those of a use in that form.
	metrics metrics
	// form and account are of one instance, see expand.
	form    form
	account Account
}

// read completes the section with what stands in others.
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

// ServiceMonitor is the switch that the section serviceMonitor has for New Relic.
type ServiceMonitor struct{ Enable bool }

// uses lists what the section switches on.
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

// settings returns what one form of a section takes over: attributes of its own
// win over the shared ones.
func (s Shared) settings(f form, own Attribute) Settings {
	own.Static = append(append([]Pair(nil), s.Attribute.Static...), own.Static...)
	return Settings{form: f, RateLimit: s.RateLimit, Header: s.Header, Attribute: own}
}
