package app

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"

	"butler/api"
	"butler/config"
	"butler/internal/address"
	"butler/internal/buildinfo"
	"butler/internal/files"
	"butler/internal/logx"
)

// The REST API.

// The section with a switch for each endpoint. The last part of a key in it is the
// name of a route in package api.
const (
	endpointKeys = "restServerEndpointsEnable"
	keyValueKey  = endpointKeys + ".keyValueStore"
)

// endpoints returns the names of the enabled endpoints in the order of the
// configuration file.
func endpoints(cfg *config.Config) ([]string, error) {
	var on []string
	for _, key := range cfg.Below(endpointKeys) {
		var enabled bool
		if err := cfg.Section(key, &enabled); err != nil {
			return nil, err
		}
		if enabled {
			on = append(on, key)
		}
	}
	slices.SortStableFunc(on, func(a, b string) int { return cmp.Compare(cfg.Source(a).Line, cfg.Source(b).Line) })
	for i, key := range on {
		on[i] = key[strings.LastIndexByte(key, '.')+1:]
	}
	return on, nil
}

// buildREST makes the REST API and opens its port.
func (a *App) buildREST() error {
	section := a.cfg.RESTServer()
	if !section.Enable {
		return nil
	}
	enabled, err := endpoints(a.cfg)
	if err != nil {
		return fmt.Errorf("set up the REST API (restServerEndpointsEnable): %w", err)
	}
	certificate, err := serverTLS(section)
	if err != nil {
		return fmt.Errorf("set up HTTPS for the REST API (restServerConfig.tls): %w", err)
	}
	access, err := a.access(section.Auth)
	if err != nil {
		return fmt.Errorf("set up authentication for the REST API (restServerConfig.auth): %w", err)
	}
	if err := a.buildApps(enabled); err != nil {
		return err
	}
	posts, err := a.openPosts()
	if err != nil {
		return fmt.Errorf("set up the Slack and New Relic endpoints (slackNotification.restMessage, restServerEndpointsConfig): %w", err)
	}
	directories := approved(a.cfg.Files(), sharedMetrics(a.core, files.NewMetrics))
	for _, warning := range directories.Warnings() {
		a.log.Warn("an approved directory has a problem", zap.String("why", warning))
	}
	options := api.RESTOptions{
		Address: address.Listen(section.Host, section.Port), Sockets: &a.sockets, TLS: certificate, Access: access, Hosts: section.AllowedHosts,
		Log: a.log.Named("rest"), Audit: a.log.Named("audit"), Metrics: sharedMetrics(a.core, api.NewMetrics),
		Endpoints: enabled, Version: buildinfo.Read().Version, CallsPerMinute: section.MaxCallsPerMinute,
		KeyValues: keyValues{a}, Files: fileOperations{directories, a.log.Named("files")}, Apps: a.apps, Schedules: schedules{a}, Explainer: explainer{a},
		Slack: slackPosts{posts}, NewRelic: newRelicPosts{posts},
		CloudEvents: cloudEvents{a},
	}
	if a.starter != nil { // a nil *Starter would make a non-nil interface
		options.Starter = a.starter
	}
	if a.mqtt != nil {
		options.MQTT = publications{a}
	}
	if a.takesEvents() {
		options.UDPQueue = udpQueue{a}
	}
	if a.rest, err = api.ListenREST(options); err != nil {
		return err
	}
	a.log.Info("the REST API is served", zap.String("address", a.rest.Address()), zap.Bool("https", certificate != nil),
		zap.String("access", section.Auth.Mode), zap.Strings("endpoints", enabled))
	a.addServer("REST API", a.rest)
	return nil
}

// closeREST shuts the REST API down before the actors that its handlers ask.
func (a *App) closeREST(ctx context.Context) {
	if a.rest == nil {
		return
	}
	if err := a.rest.Shutdown(ctx); err != nil {
		a.log.Warn("calls of the REST API were cut off", logx.Err(err))
	}
}
