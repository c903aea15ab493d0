package email

import (
	"errors"
	"slices"

	"butler/internal/destination"
	"butler/internal/secret"
	"butler/messages"
)

// Config is the section emailNotification and the related values of other sections.
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

	// services means that Windows services are monitored and alerted by mail.
	services bool
	// cloud is how failed reloads in Qlik Cloud are mailed; tenant means that there may be any.
	cloud  Event
	tenant bool
}

// Event is how the alerts of one section or route entry are mailed.
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

// AppOwnerAlert determines whether the owner of the app is told too.
type AppOwnerAlert struct {
	Enable       bool
	IncludeOwner IncludeOwner
	ExcludeOwner ExcludeOwner
}

// IncludeOwner lists the owners who are told, or includes all.
type IncludeOwner struct {
	IncludeAll bool
	User       []Account
}

// ExcludeOwner lists the owners who are never told.
type ExcludeOwner struct {
	User []Account
}

// Account identifies a Qlik Sense user by directory and ID, or anybody by a mail address.
type Account struct {
	Directory string
	UserID    string `mapstructure:"userId"`
	Email     string
}

// Gate restricts the common recipients to tasks with a certain custom property value.
type Gate struct {
	Enable             bool
	CustomPropertyName string
	EnabledValue       string
}

// AddressProperty names the custom property whose values are further recipients.
type AddressProperty struct {
	CustomPropertyName string
}

// SMTP is the configuration of the mail server.
type SMTP struct {
	Host string
	Port int
	// Secure uses TLS from the start. Without it, STARTTLS upgrades the connection if
	// the server offers it.
	Secure bool
	TLS    TLS `mapstructure:"tls"`
	Auth   Auth
}

// TLS is how connections are protected.
type TLS struct {
	// ServerName is expected in the certificate instead of Host.
	ServerName string
	// IgnoreTLS never upgrades; RequireTLS refuses a server that cannot.
	IgnoreTLS, RequireTLS bool
	// RejectUnauthorized enables the verification of the certificate.
	RejectUnauthorized bool
}

// Auth are the credentials.
type Auth struct {
	Enable   bool
	User     string
	Password secret.String
}

// cloudSection is the section for mails about Qlik Cloud.
const cloudSection = "qlikSenseCloud.event.mqtt.tenant.alert.emailNotification.reloadAppFailure"

// read adds the switches of the monitors and the settings for mails about the cloud tenant.
func read(decode destination.Decode, c *Config) error {
	return errors.Join(
		destination.AllOn(decode, &c.services, "serviceMonitor.enable", "serviceMonitor.alertDestination.email.enable"),
		destination.AllOn(decode, &c.tenant, "qlikSenseCloud.enable"),
		decode(cloudSection, &c.cloud),
	)
}

// sections lists all sections, in the order of the documentation.
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

// uses lists the enabled sections.
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
