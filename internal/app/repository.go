package app

import (
	"context"
	"fmt"
	"slices"

	"butler/actors/qrsgate"
	"butler/config"
	"butler/internal/destination"
	"butler/internal/qlik/identity"
	"butler/internal/qlik/qrs"
	"butler/internal/qlik/scriptlog"
)

// The connection to the Qlik Repository Service.

// gatePort implements qrsgate.Port by the QRS client and the fetcher of script logs.
type gatePort struct {
	*qrs.Client
	*scriptlog.Fetcher
}

// buildGate makes the QRS client, unless none is configured or the service is isolated.
func (g *generation) buildGate() error {
	section := g.cfg.QRS()
	if !section.Enabled() || g.opts.Isolated {
		return nil
	}
	gate := g.cfg.Gate()
	g.qrsMetrics = sharedMetrics(g.App, qrs.NewMetrics)
	options := repositoryOptions(section)
	options.Timeout, options.MaxConns, options.Metrics = gate.Timeout, gate.MaxConcurrent, g.qrsMetrics
	options.Metadata = slices.ContainsFunc(g.table.Built(), func(b destination.Built) bool { return b.Instance.Needs.Metadata })
	client, err := qrs.New(options)
	if err != nil {
		return fmt.Errorf("set up the connection to the Qlik Repository Service (configQRS, cert): %w", err)
	}
	g.gate = gatePort{client, scriptlog.New(scriptlog.Options{
		Source: client, Log: g.log.Named("scriptlog"), Metrics: sharedMetrics(g.App, scriptlog.NewMetrics),
	})}
	g.closer.add("QRS connections", func(context.Context) error { client.Close(); return nil })
	return nil
}

// repositoryOptions returns the address of the repository and the credentials for it.
func repositoryOptions(section config.QlikServer) qrs.Options {
	options := qrs.Options{
		Host: section.Host, Port: section.Port, UseSSL: section.UseSSL, InsecureSkipVerify: !section.RejectUnauthorized,
	}
	if section.UseSSL {
		options.CertFile, options.KeyFile, options.CAFile = section.ClientCert, section.ClientKey, section.CA
	}
	for _, h := range section.Headers {
		options.Headers = append(options.Headers, identity.Header{Name: h.Name, Value: h.Value.Reveal()})
	}
	return options
}

// port returns the QRS for qrsgate, nil when there is none.
func (g *generation) port() qrsgate.Port {
	if g.gate.Client == nil {
		return nil
	}
	return g.gate
}
