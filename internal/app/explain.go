package app

import (
	"context"

	"butler/actors/executions"
	"butler/internal/explain"
	"butler/internal/trail"
)

// archive returns the sources of explanations.
func (d admin) archive() explain.Archive {
	return explain.Archive{
		Events: d.app.queue, Ledger: d.app.ledger, Outbox: d.app.outbox, Trail: d.app.trail, Quarantine: d.app.quarantine,
		KeyOf: executions.EventKey, KernelDrops: d.kernelDrops,
	}
}

// Explain implements api.Admin.
func (d admin) Explain(ctx context.Context, id string) (any, error) {
	return d.archive().Explain(ctx, id)
}

// explainer serves explanations to the REST API.
type explainer struct{ app *App }

// Explain implements api.Explainer.
func (e explainer) Explain(ctx context.Context, id string) (trail.Story, error) {
	return admin(e).archive().Explain(ctx, id)
}

// kernelDrops returns the number of datagrams that the kernel has dropped.
func (d admin) kernelDrops() uint64 {
	drops, err := d.app.total("butler_udp_kernel_dropped_packets_total")
	if err != nil {
		return 0
	}
	return drops
}
