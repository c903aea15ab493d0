package email

import (
	"butler/internal/secret"
	"butler/messages"
)

// Config is the section emailNotification.
type Config struct {
	Enable                bool
	ReloadTaskFailure     Event
	ReloadTaskAborted     Event
	ReloadTaskSuccess     Event
	DistributeTaskSuccess Event
	DistributeTaskFailure Event
	PreloadTaskSuccess    Event
	PreloadTaskFailure    Event
	SMTP                  SMTP `mapstructure:"smtp"`
}

// Event is how one kind of task alert is mailed.
type Event struct {
	Enable                      bool
	AppOwnerAlert               AppOwnerAlert
	AlertEnableByCustomProperty Gate
	AlertEnabledByEmailAddress  AddressProperty
	// RateLimit is in seconds, per task and recipient; 0 means no limit.
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

// Account names a Qlik Sense user.
type Account struct {
	Directory string
	UserID    string `mapstructure:"userId"`
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

// event ties an alert kind to its settings.
type event struct {
	Event
	kind    messages.AlertKind
	section string
}

// events lists every kind with its settings, in the order of the documentation.
func (c Config) events() []event {
	return []event{
		{c.ReloadTaskFailure, messages.ReloadTaskFailed, "reloadTaskFailure"},
		{c.ReloadTaskAborted, messages.ReloadTaskAborted, "reloadTaskAborted"},
		{c.ReloadTaskSuccess, messages.ReloadTaskSucceeded, "reloadTaskSuccess"},
		{c.DistributeTaskFailure, messages.DistributeTaskFailed, "distributeTaskFailure"},
		{c.DistributeTaskSuccess, messages.DistributeTaskSucceeded, "distributeTaskSuccess"},
		{c.PreloadTaskFailure, messages.PreloadTaskFailed, "preloadTaskFailure"},
		{c.PreloadTaskSuccess, messages.PreloadTaskSucceeded, "preloadTaskSuccess"},
	}
}

// aboutReload reports whether the event has an app with a script log.
func (e event) aboutReload() bool {
	return e.kind == messages.ReloadTaskFailed || e.kind == messages.ReloadTaskAborted || e.kind == messages.ReloadTaskSucceeded
}

// tellsOwner reports whether the app's owner is a recipient: never of a success.
func (e event) tellsOwner() bool {
	return e.AppOwnerAlert.Enable && (e.kind == messages.ReloadTaskFailed || e.kind == messages.ReloadTaskAborted)
}
