package app

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.uber.org/zap"

	"butler/api"
	"butler/config"
	"butler/internal/address"
	"butler/internal/buildinfo"
	"butler/internal/files"
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
func (g *generation) buildREST() error {
	section := g.cfg.RESTServer()
	if !section.Enable {
		return nil
	}
	enabled, err := endpoints(g.cfg)
	if err != nil {
		return fmt.Errorf("set up the REST API (restServerEndpointsEnable): %w", err)
	}
	certificate, err := serverTLS(section)
	if err != nil {
		return fmt.Errorf("set up HTTPS for the REST API (restServerConfig.tls): %w", err)
	}
	access, err := g.access(section.Auth)
	if err != nil {
		return fmt.Errorf("set up authentication for the REST API (restServerConfig.auth): %w", err)
	}
	if err := g.buildApps(enabled); err != nil {
		return err
	}
	posts, err := g.openPosts()
	if err != nil {
		return fmt.Errorf("set up the Slack and New Relic endpoints (slackNotification.restMessage, restServerEndpointsConfig): %w", err)
	}
	directories := approved(g.cfg.Files(), sharedMetrics(g.App, files.NewMetrics))
	options := api.Options{
		Address: address.Listen(section.Host, section.Port), Sockets: &g.sockets, TLS: certificate, Access: access, Hosts: section.AllowedHosts,
		Log: g.log.Named("rest"), Audit: g.log.Named("audit"), Metrics: sharedMetrics(g.App, api.NewMetrics),
		Endpoints: enabled, Version: buildinfo.Read().Version, CallsPerMinute: section.MaxCallsPerMinute,
		KeyValues: keyValues{g}, Files: fileOperations{directories, g.log.Named("files")}, Apps: g.apps, Schedules: schedules{g}, Explainer: explainer{g.App},
		Slack: slackPosts{posts}, NewRelic: newRelicPosts{posts},
		CloudEvents: cloudEvents{g.App},
	}
	if g.starter != nil { // a nil *Starter would make a non-nil interface
		options.Starter = g.starter
	}
	if g.mqtt != nil {
		options.MQTT = publications{g}
	}
	if g.takesEvents() {
		options.UDPQueue = udpQueue{g.App}
	}
	server, err := api.Listen(options)
	if err != nil {
		return err
	}
	g.log.Info("the REST API is served", zap.String("address", server.Address()), zap.Bool("https", certificate != nil),
		zap.String("access", section.Auth.Mode), zap.Strings("endpoints", enabled))
	g.addServer(restServer, server)
	return nil
}
