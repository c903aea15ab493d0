package app

import (
	"fmt"
	"strings"

	"butler/config"
	tenant "butler/internal/qlik/cloud"
	"butler/internal/secret"
	"butler/internal/wholefile"
)

// cloudFindings returns what keeps the events of a tenant from being taken and their
// details from being looked up.
func cloudFindings(cfg *config.Config) []config.Finding {
	const path = "qlikSenseCloud.event.mqtt.tenant."
	section, enabled, err := readCloud(cfg)
	if err != nil || !enabled {
		return findings("qlikSenseCloud", nil, err)
	}
	var out []config.Finding
	if section.ID == "" {
		out = append(out, config.Finding{Path: path + "id", Reason: "is empty, so no event would be taken", Suggestion: "write the tenant's internal ID: the member extensions.tenantId of its events"})
	}
	if strings.Contains(section.ID, ".") {
		out = append(out, config.Finding{
			Warning: true, Path: path + "id", Reason: "looks like a host name, and events carry the tenant's internal ID",
			Suggestion: "write the member extensions.tenantId of an event",
		})
	}
	if !section.Auth.JWT.Token.IsSet() {
		out = append(out, config.Finding{Path: path + "auth.jwt.token", Reason: "is empty, so every look-up would be refused", Suggestion: "write an API key of the tenant, best as ${file:PATH}"})
	}
	o := section.options(cfg)
	if o.CAFile != "" {
		if err := wholefile.Openable(o.CAFile); err != nil {
			out = append(out, config.Finding{Path: path + "caFile", Reason: fmt.Sprintf("cannot be read: %v", err), Suggestion: "name a PEM file, or leave it empty"})
			o.CAFile = ""
		}
	}
	client, err := tenant.New(o)
	if err != nil {
		return append(out, config.Finding{Path: path + "tenantUrl", Reason: err.Error(), Suggestion: "write it like https://tenant.eu.qlikcloud.com"})
	}
	client.Close()
	return append(out, cloudWays(cfg)...)
}

// cloudWays checks how events come in: it warns when neither webhook nor broker is
// enabled, and of a webhook that anybody can call.
func cloudWays(cfg *config.Config) []config.Finding {
	var webhook bool
	var key secret.String
	forward, err := readForward(cfg)
	if err != nil || cfg.Section("restServerEndpointsEnable.qlikCloudEvent", &webhook) != nil || cfg.Section("qlikSenseCloud.event.webhook.secret", &key) != nil {
		return findings("qlikSenseCloud", nil, err)
	}
	rest := cfg.RESTServer()
	webhook = webhook && rest.Enable
	var out []config.Finding
	if !webhook && !forward.Enable {
		out = append(out, config.Finding{
			Warning: true, Path: "qlikSenseCloud.enable", Reason: "is true, and no event can come in",
			Suggestion: "set mqttConfig.qlikSenseCloud.event.mqttForward.enable or restServerEndpointsEnable.qlikCloudEvent to true",
		})
	}
	if webhook && rest.Auth.Mode == "none" && !key.IsSet() {
		out = append(out, config.Finding{
			Warning: true, Path: "qlikSenseCloud.event.webhook.secret", Reason: "is empty while the REST API asks nobody who calls, so anybody may bring events",
			Suggestion: "write the secret of the webhook in Qlik Cloud",
		})
	}
	if forward.Enable {
		out = append(out, forwardFindings(cfg, forward)...)
	}
	return out
}
