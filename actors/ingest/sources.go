package ingest

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"butler/internal/actorkit"
	"butler/internal/logx"
	"butler/internal/udp"
)

// Who may send: names are looked up again from time to time.

// resolveEvery is the default of Options.ResolveEvery.
const resolveEvery = 5 * time.Minute

func (a *ingest) resolve(ctx actor.Context) {
	sources, last := a.opts.Sources, a.shared.sources
	started := a.effects.Run(ctx, openWithin, func(bounded context.Context) any {
		set, err := sources.Resolve(bounded, last)
		return sourcesResolved{sources, set, err}
	})
	if !started {
		a.resolveAgain(ctx)
	}
}

// resolved takes over a new set of sources; when there is none, the last one stays.
func (a *ingest) resolved(ctx actor.Context, m sourcesResolved) {
	if a.closing || m.from != a.opts.Sources { // those of an earlier configuration
		return
	}
	if m.err != nil {
		a.report.log.Warn("allowed UDP sources could not be looked up, keeping the last ones", logx.Err(m.err))
	} else {
		a.use(m.sources)
	}
	a.resolveAgain(ctx)
}

func (a *ingest) use(sources *udp.Set) {
	a.report.sources(a.shared.sources, sources)
	a.shared.sources, a.machine.sources = sources, sources
}

func (a *ingest) resolveAgain(ctx actor.Context) {
	every := a.opts.ResolveEvery
	if every <= 0 {
		every = resolveEvery
	}
	a.resolveTimer.Stop()
	a.resolveTimer = actorkit.After(ctx, every, resolveDue{})
}
