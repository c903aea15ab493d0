package email

import (
	"butler/internal/destination"
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

// Event is how the alerts of one section, or of an entry of a route, are mailed.
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

// section ties an alert kind to its settings.
type section struct {
	Event
	kind messages.AlertKind
	name string
}

// sections lists every section, in the order of the documentation.
func (c Config) sections() []section {
	return []section{
		{c.ReloadTaskFailure, messages.ReloadTaskFailed, "reloadTaskFailure"},
		{c.ReloadTaskAborted, messages.ReloadTaskAborted, "reloadTaskAborted"},
		{c.ReloadTaskSuccess, messages.ReloadTaskSucceeded, "reloadTaskSuccess"},
		{c.DistributeTaskFailure, messages.DistributeTaskFailed, "distributeTaskFailure"},
		{c.DistributeTaskSuccess, messages.DistributeTaskSucceeded, "distributeTaskSuccess"},
		{c.PreloadTaskFailure, messages.PreloadTaskFailed, "preloadTaskFailure"},
		{c.PreloadTaskSuccess, messages.PreloadTaskSucceeded, "preloadTaskSuccess"},
	}
}

// uses lists the sections that are switched on.
func uses(c Config) []destination.Use[Event] {
	var out []destination.Use[Event]
	for _, s := range c.sections() {
		if c.Enable && s.Enable {
			out = append(out, destination.Use[Event]{
				Name: string(s.kind), Path: "emailNotification." + s.name, Kinds: []messages.AlertKind{s.kind}, Settings: s.Event,
			})
		}
	}
	return out
}

// aboutReload reports whether an alert kind has an app with a script log.
func aboutReload(kind messages.AlertKind) bool {
	return kind == messages.ReloadTaskFailed || kind == messages.ReloadTaskAborted || kind == messages.ReloadTaskSucceeded
}
