package app

import (
	"context"

	"butler/actors/executions"
	"butler/internal/explain"
	"butler/internal/trail"
)

// archive returns the sources of explanations.
func (a *App) archive() explain.Archive {
	out := explain.Archive{
		Events: a.queue, Ledger: a.ledger, Outbox: a.outbox, Trail: a.trail, Quarantine: a.quarantine,
		KeyOf: executions.EventKey, KernelDrops: a.kernelDrops,
	}
	if gen := a.current.Load(); gen != nil {
		out.Deliveries = gen.deliveryStates
	}
	return out
}

// Explain explains an execution to the commands.
func (d admin) Explain(ctx context.Context, id string) (trail.Story, error) {
	return d.gen.archive().Explain(ctx, id)
}

// Latest lists the newest decisions for the commands.
func (d admin) Latest(ctx context.Context, q trail.Query) ([]trail.Headline, error) {
	return explainer{d.gen.App}.Latest(ctx, q)
}

// explainer serves explanations to the servers.
type explainer struct{ app *App }

// Latest implements operations.Explainer.
func (e explainer) Latest(ctx context.Context, q trail.Query) ([]trail.Headline, error) {
	return e.app.archive().Latest(ctx, q)
}

// Explain implements api.Explainer and operations.Explainer.
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
