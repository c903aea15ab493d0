package email

import (
	"errors"
	"slices"

	"butler/internal/destination"
	"butler/internal/secret"
	"butler/messages"
)

// Config is the section emailNotification, and what other sections say of emails.
type Config struct {
	Enable                bool
	ReloadTaskFailure     Event
	ReloadTaskAborted     Event
	ReloadTaskSuccess     Event
	DistributeTaskSuccess Event
	DistributeTaskFailure Event
	PreloadTaskSuccess    Event
	PreloadTaskFailure    Event
	ServiceStopped        Event
	ServiceStarted        Event
	SMTP                  SMTP `mapstructure:"smtp"`

	// services says that Windows services are monitored and that mails tell of them.
	services bool
	// cloud is how failed reloads in Qlik Cloud are mailed; tenant says that there are any.
	cloud  Event
	tenant bool
}

// Event is how the alerts of one section, or of an entry of a route, are mailed.
type Event struct {
	Enable                      bool
	AppOwnerAlert               AppOwnerAlert
	AlertEnableByCustomProperty Gate
	AlertEnableByTag            destination.TagGate
	AlertEnabledByEmailAddress  AddressProperty
	// RateLimit is in seconds, per subject of an alert and recipient; 0 means no limit.
	RateLimit          float64
	HeadScriptLogLines int
	TailScriptLogLines int
	Priority           string
	Subject            string
	BodyFileDirectory  string
	HTMLTemplateFile   string `mapstructure:"htmlTemplateFile"`
	FromAddress        string
	Recipients         []string
}

// AppOwnerAlert says whether the owner of the app is told too.
type AppOwnerAlert struct {
	Enable       bool
	IncludeOwner IncludeOwner
	ExcludeOwner ExcludeOwner
}

// IncludeOwner lists the owners who are told, or says that all are.
type IncludeOwner struct {
	IncludeAll bool
	User       []Account
}

// ExcludeOwner lists the owners who are never told.
type ExcludeOwner struct {
	User []Account
}

// Account names a Qlik Sense user by directory and ID, or anybody by a mail address.
type Account struct {
	Directory string
	UserID    string `mapstructure:"userId"`
	Email     string
}

// Gate restricts the global recipients to tasks with a custom property value.
type Gate struct {
	Enable             bool
	CustomPropertyName string
	EnabledValue       string
}

// AddressProperty names the custom property whose values are further recipients.
type AddressProperty struct {
	CustomPropertyName string
}

// SMTP is the mail server.
type SMTP struct {
	Host string
	Port int
	// Secure is TLS from the first byte. Without it the connection is upgraded
	// with STARTTLS where the server offers that.
	Secure bool
	TLS    TLS `mapstructure:"tls"`
	Auth   Auth
}

// TLS says how connections are protected.
type TLS struct {
	// ServerName is expected in the certificate instead of the host.
	ServerName string
	// IgnoreTLS never upgrades, RequireTLS refuses a server that cannot.
	IgnoreTLS, RequireTLS bool
	// RejectUnauthorized verifies the certificate.
	RejectUnauthorized bool
}

// Auth are the credentials.
type Auth struct {
	Enable   bool
	User     string
	Password secret.String
}

// cloudSection is where the tenant's part of the configuration has emails.
const cloudSection = "qlikSenseCloud.event.mqtt.tenant.alert.emailNotification.reloadAppFailure"

// read completes the configuration with the switches of what is monitored, and
// with the emails about the tenant.
func read(decode destination.Decode, c *Config) error {
	return errors.Join(
		destination.AllOn(decode, &c.services, "serviceMonitor.enable", "serviceMonitor.alertDestination.email.enable"),
		destination.AllOn(decode, &c.tenant, "qlikSenseCloud.enable"),
		decode(cloudSection, &c.cloud),
	)
}

// sections lists every section, in the order of the documentation.
func (c Config) sections() []destination.Section[Event] {
	of := func(kind messages.AlertKind, name string, e Event, on bool) destination.Section[Event] {
		return destination.Section[Event]{Kind: kind, Path: "emailNotification." + name, Settings: e, On: c.Enable && on}
	}
	return []destination.Section[Event]{
		of(messages.ReloadTaskFailed, "reloadTaskFailure", c.ReloadTaskFailure, c.ReloadTaskFailure.Enable),
		of(messages.ReloadTaskAborted, "reloadTaskAborted", c.ReloadTaskAborted, c.ReloadTaskAborted.Enable),
		of(messages.ReloadTaskSucceeded, "reloadTaskSuccess", c.ReloadTaskSuccess, c.ReloadTaskSuccess.Enable),
		of(messages.DistributeTaskFailed, "distributeTaskFailure", c.DistributeTaskFailure, c.DistributeTaskFailure.Enable),
		of(messages.DistributeTaskSucceeded, "distributeTaskSuccess", c.DistributeTaskSuccess, c.DistributeTaskSuccess.Enable),
		of(messages.PreloadTaskFailed, "preloadTaskFailure", c.PreloadTaskFailure, c.PreloadTaskFailure.Enable),
		of(messages.PreloadTaskSucceeded, "preloadTaskSuccess", c.PreloadTaskSuccess, c.PreloadTaskSuccess.Enable),
		of(messages.ServiceStopped, "serviceStopped", c.ServiceStopped, c.services),
		of(messages.ServiceStarted, "serviceStarted", c.ServiceStarted, c.services),
		{Kind: messages.CloudReloadFailed, Path: cloudSection, Settings: c.cloud, On: c.Enable && c.tenant && c.cloud.Enable},
	}
}

// uses lists the sections that are switched on.
func uses(c Config) []destination.Use[Event] { return destination.UsesOf(c.sections()...) }

// aboutReload reports whether an alert kind is about a reload task.
func aboutReload(kind messages.AlertKind) bool {
	return kind == messages.ReloadTaskFailed || kind == messages.ReloadTaskAborted || kind == messages.ReloadTaskSucceeded
}

// aboutApp reports whether an alert kind is about an app, with an owner and a script log.
func aboutApp(kind messages.AlertKind) bool {
	return aboutReload(kind) || kind == messages.CloudReloadFailed
}

// aboutTask reports whether an alert kind is about a task.
func aboutTask(kind messages.AlertKind) bool { return slices.Contains(messages.TaskKinds(), kind) }
