package email

import (
	"errors"
	"fmt"
	"net/mail"
	"strings"

	"butler/internal/secret"
	"butler/internal/template"
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
	ServiceStopped        Service
	ServiceStarted        Service
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

// Service is how alerts about Windows services are mailed.
type Service struct {
	RateLimit         float64
	Priority          string
	Subject           string
	BodyFileDirectory string
	HTMLTemplateFile  string `mapstructure:"htmlTemplateFile"`
	FromAddress       string
	Recipients        []string
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

// validate returns every problem at once.
func (e event) validate() error {
	var problems []error
	if _, err := mail.ParseAddress(e.FromAddress); err != nil {
		problems = append(problems, fmt.Errorf("fromAddress %q: want an address, or a name with an address in <>", e.FromAddress))
	}
	if _, err := template.Parse(e.Subject, template.Line); err != nil {
		problems = append(problems, fmt.Errorf("subject: %w", err))
	}
	switch strings.ToLower(e.Priority) {
	case "", "low", "normal", "high":
	default:
		problems = append(problems, fmt.Errorf("priority: want low, normal or high, got %q", e.Priority))
	}
	if e.RateLimit < 0 || e.HeadScriptLogLines < 0 || e.TailScriptLogLines < 0 {
		problems = append(problems, errors.New("rateLimit, headScriptLogLines and tailScriptLogLines: want 0 or more"))
	}
	return errors.Join(problems...)
}

func (s SMTP) validate() error {
	if s.Host == "" {
		return errors.New("smtp.host: want the name of the mail server")
	}
	if s.Port < 0 || s.Port > 65535 {
		return fmt.Errorf("smtp.port: want 1 to 65535, got %d", s.Port)
	}
	if s.TLS.IgnoreTLS && s.TLS.RequireTLS && !s.Secure {
		return errors.New("smtp.tls: ignoreTLS and requireTLS contradict each other")
	}
	if s.Auth.Enable && s.Auth.User == "" {
		return errors.New("smtp.auth.user: want a user when smtp.auth.enable is true")
	}
	return nil
}
