package app

import (
	"context"

	"butler/actors/executions"
	"butler/internal/explain"
	"butler/internal/trail"
)

// archive returns the sources of explanations.
func (a *App) archive() explain.Archive {
	return explain.Archive{
		Events: a.queue, Ledger: a.ledger, Outbox: a.outbox, Trail: a.trail, Quarantine: a.quarantine,
		KeyOf: executions.EventKey, KernelDrops: a.kernelDrops,
	}
}

// Explain implements operations.Admin.
func (d admin) Explain(ctx context.Context, id string) (any, error) {
	return d.gen.archive().Explain(ctx, id)
}

// explainer serves explanations to the REST API.
type explainer struct{ app *App }

// Explain implements api.Explainer.
func (e explainer) Explain(ctx context.Context, id string) (trail.Story, error) {
	return e.app.archive().Explain(ctx, id)
}

// kernelDrops returns the number of datagrams that the kernel has dropped.
func (a *App) kernelDrops() uint64 {
	drops, err := a.total("butler_udp_kernel_dropped_packets_total")
	if err != nil {
		return 0
	}
	return drops
}
