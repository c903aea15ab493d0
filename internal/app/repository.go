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
func (a *App) buildGate() error {
	section := a.cfg.QRS()
	if !section.Enabled() || a.opts.Isolated {
		return nil
	}
	gate := a.cfg.Gate()
	a.qrsMetrics = sharedMetrics(a.core, qrs.NewMetrics)
	options := repositoryOptions(section)
	options.Timeout, options.MaxConns, options.Metrics = gate.Timeout, gate.MaxConcurrent, a.qrsMetrics
	options.Metadata = slices.ContainsFunc(a.table.Built(), func(b destination.Built) bool { return b.Instance.Needs.Metadata })
	client, err := qrs.New(options)
	if err != nil {
		return fmt.Errorf("set up the connection to the Qlik Repository Service (configQRS, cert): %w", err)
	}
	a.gate = gatePort{client, scriptlog.New(scriptlog.Options{
		Source: client, Log: a.log.Named("scriptlog"), Metrics: sharedMetrics(a.core, scriptlog.NewMetrics),
	})}
	a.closer.add("QRS connections", func(context.Context) error { client.Close(); return nil })
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
func (a *App) port() qrsgate.Port {
	if a.gate.Client == nil {
		return nil
	}
	return a.gate
}
