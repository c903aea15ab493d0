package webhook

import (
	"errors"
	"fmt"

	"butler/internal/destination"
	"butler/internal/secret"
	"butler/messages"
)

// Config is the section webhookNotification and the related values of other sections.
type Config struct {
	Enable                            bool
	ReloadTaskFailure                 Event
	ReloadTaskAborted                 Event
	ServiceMonitor                    Event
	QlikSenseServerLicenseMonitor     Event
	QlikSenseServerLicenseExpiryAlert Event

	// services means that Windows services are monitored and alerted by webhooks.
	services bool
	// licenses means the same for every check of the server licence, expiries for its expiry.
	licenses, expiries bool
	// cloud is how failed reloads in Qlik Cloud are sent; tenant means that there may be any.
	cloud  CloudEvent
	tenant bool
}

// Event configures the webhooks of one event.
type Event struct {
	// RateLimit is in seconds, per kind and subject of an alert; 0 means none.
	RateLimit float64
	Webhooks  []Webhook
}

// CloudEvent configures the webhooks of one event of Qlik Cloud.
type CloudEvent struct {
	Enable           bool
	AlertEnableByTag destination.TagGate
	Event            `mapstructure:",squash"`
}

// Webhook is one configured address.
type Webhook struct {
	Description string
	WebhookURL  secret.String
	HTTPMethod  string
	Cert        Cert
}

// Cert is how the server certificate of one address is verified.
type Cert struct {
	Enable             bool
	RejectUnauthorized bool
	CertCA             string
}

// Target is one address with its rate limit.
type Target struct {
	Webhook `mapstructure:",squash"`
	// RateLimit is in seconds; 0 means none.
	RateLimit float64

	gate destination.TagGate
}

const (
	section      = "webhookNotification"
	cloudSection = "qlikSenseCloud.event.mqtt.tenant.alert.webhookNotification.reloadAppFailure"
)

// read adds the switches of the monitors and the settings for alerts of the cloud tenant.
func read(decode destination.Decode, c *Config) error {
	return errors.Join(
		destination.AllOn(decode, &c.services, "serviceMonitor.enable", "serviceMonitor.alertDestination.webhook.enable"),
		destination.AllOn(
			decode, &c.licenses, "qlikSenseLicense.serverLicenseMonitor.enable",
			"qlikSenseLicense.serverLicenseMonitor.destination.webhook.enable",
			"qlikSenseLicense.serverLicenseMonitor.destination.webhook.sendRecurring.enable",
		),
		destination.AllOn(
			decode, &c.expiries, "qlikSenseLicense.serverLicenseMonitor.enable",
			"qlikSenseLicense.serverLicenseMonitor.destination.webhook.enable",
			"qlikSenseLicense.serverLicenseMonitor.destination.webhook.sendAlert.enable",
		),
		destination.AllOn(decode, &c.tenant, "qlikSenseCloud.enable"),
		decode(cloudSection, &c.cloud),
	)
}

// uses lists the addresses of all enabled sections. Qlik Cloud has a switch of its
// own and ignores the master switch.
func uses(c Config) []destination.Use[Target] {
	kinds := func(list ...messages.AlertKind) []messages.AlertKind { return list }
	var out []destination.Use[Target]
	for _, e := range []struct {
		// name is that of the list.
		name  string
		path  string
		kinds []messages.AlertKind
		Event
		on   bool
		gate destination.TagGate
	}{
		{
			name: string(messages.ReloadTaskFailed), path: section + ".reloadTaskFailure", kinds: kinds(messages.ReloadTaskFailed),
			Event: c.ReloadTaskFailure, on: c.Enable,
		},
		{
			name: string(messages.ReloadTaskAborted), path: section + ".reloadTaskAborted", kinds: kinds(messages.ReloadTaskAborted),
			Event: c.ReloadTaskAborted, on: c.Enable,
		},
		{
			name: "windows_service", path: section + ".serviceMonitor", kinds: kinds(messages.ServiceStopped, messages.ServiceStarted),
			Event: c.ServiceMonitor, on: c.Enable && c.services,
		},
		{
			name: string(messages.LicenseStatus), path: section + ".qlikSenseServerLicenseMonitor", kinds: kinds(messages.LicenseStatus),
			Event: c.QlikSenseServerLicenseMonitor, on: c.Enable && c.licenses,
		},
		{
			name: string(messages.LicenseExpiring), path: section + ".qlikSenseServerLicenseExpiryAlert", kinds: kinds(messages.LicenseExpiring),
			Event: c.QlikSenseServerLicenseExpiryAlert, on: c.Enable && c.expiries,
		},
		{
			name: string(messages.CloudReloadFailed), path: cloudSection, kinds: kinds(messages.CloudReloadFailed),
			Event: c.cloud.Event, on: c.tenant && c.cloud.Enable, gate: c.cloud.AlertEnableByTag,
		},
	} {
		if !e.on {
			continue
		}
		for i, w := range e.Webhooks {
			out = append(out, destination.Use[Target]{
				Name: e.name, Listed: true, Path: fmt.Sprintf("%s.webhooks[%d]", e.path, i),
				Kinds: e.kinds, Settings: Target{Webhook: w, RateLimit: e.RateLimit, gate: e.gate},
			})
		}
	}
	return out
}

// address implements destination.Spec.Address.
func (t Target) address() []string { return []string{t.WebhookURL.Reveal()} }

// options returns the options of a webhook's HTTP client.
func (c Cert) options(d destination.Deps) destination.HTTPOptions {
	out := destination.HTTPOptions{Timeout: timeout}
	if c.Enable {
		out.InsecureSkipVerify, out.CAFile = !c.RejectUnauthorized, d.Path(c.CertCA)
	}
	return out
}
