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

// Who may send: names are looked up again from time to time.

const (
	// resolveEvery is how often names are looked up again. One without an answer is
	// looked up sooner.
	resolveEvery = 5 * time.Minute
	// ResolveWithin bounds a look-up that something waits for, such as the first socket.
	// A name about which the resolver is silent must not keep the others from sending.
	ResolveWithin = 5 * time.Second
)

// resolveAgain says how soon a name is looked up again that has no answer: until
// then its node is refused.
var resolveAgain = backoff.Policy{Base: 5 * time.Second, Max: resolveEvery}

func (a *ingest) resolve(ctx actor.Context) {
	sources, last := a.opts.Sources, a.shared.sources
	started := a.effects.Run(ctx, openWithin, func(bounded context.Context) any {
		set, err := sources.Resolve(bounded, last)
		return sourcesResolved{sources, set, err}
	})
	if !started {
		a.resolveLater(ctx)
	}
}

// resolved takes over a new set of sources; when there is none, the last one stays.
func (a *ingest) resolved(ctx actor.Context, m sourcesResolved) {
	if a.shared.closing || m.from != a.opts.Sources { // those of an earlier configuration
		return
	}
	if m.err != nil {
		a.report.log.Warn("allowed UDP sources could not be looked up, keeping the last ones", logx.Err(m.err))
	} else {
		a.use(m.sources)
	}
	a.resolveLater(ctx)
}

func (a *ingest) use(sources *udp.Set) {
	a.report.sources(a.shared.sources, sources)
	a.shared.sources, a.machine.sources = sources, sources
}

func (a *ingest) resolveLater(ctx actor.Context) {
	every := resolveEvery
	if a.shared.sources.Complete() {
		a.unresolved = 0
	} else {
		a.unresolved++
		every = min(every, resolveAgain.Ceiling(a.unresolved))
	}
	a.resolveTimer.Stop()
	a.resolveTimer = actorkit.After(ctx, every, resolveDue{})
}
