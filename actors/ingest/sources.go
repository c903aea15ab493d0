package ingest

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"butler/internal/actorkit"
	"butler/internal/backoff"
	"butler/internal/logx"
	"butler/internal/udp"
)

// Who may send: host names are resolved again from time to time.

const (
	// resolveEvery is how often names are resolved again; one without an address sooner.
	resolveEvery = 5 * time.Minute
	// ResolveWithin bounds a look-up that something waits for, such as the first socket:
	// a name that the resolver does not answer for must not hold up the others.
	ResolveWithin = 5 * time.Second
)

// resolveRetry is the back-off for a name without an address. Its node is refused
// meanwhile.
var resolveRetry = backoff.Policy{Base: 5 * time.Second, Max: resolveEvery}

func (a *ingest) resolve(ctx actor.Context, due resolveDue) {
	if due.from != a.opts.Sources { // a change came before it; perhaps every source is accepted now
		return
	}
	sources, last := a.opts.Sources, a.shared.sources
	started := a.effects.Run(ctx, openWithin, func(bounded context.Context) any {
		set, err := sources.Resolve(bounded, last)
		return sourcesResolved{sources, set, err}
	})
	if !started {
		a.resolveLater(ctx)
	}
}

// resolved sets the new set of sources; after an error the last one stays.
func (a *ingest) resolved(ctx actor.Context, m sourcesResolved) {
	if a.shared.closing || m.from != a.opts.Sources { // those of an earlier configuration
		return
	}
	if m.err != nil {
		a.report.log.Warn("allowed UDP sources could not be looked up, keeping the last ones", logx.Err(m.err))
	} else {
		a.setSources(m.sources)
	}
	a.resolveLater(ctx)
}

func (a *ingest) setSources(sources *udp.Set) {
	a.report.sources(a.shared.sources, sources)
	a.shared.sources, a.machine.sources = sources, sources
}

func (a *ingest) resolveLater(ctx actor.Context) {
	every := resolveEvery
	if a.shared.sources.Complete() {
		a.unresolved = 0
	} else {
		a.unresolved++
		every = min(every, resolveRetry.Ceiling(a.unresolved))
	}
	a.resolveTimer.Stop()
	a.resolveTimer = actorkit.After(ctx, every, resolveDue{a.opts.Sources})
}
