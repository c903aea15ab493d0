// Package actortest has helpers for tests of actors in a testing/synctest bubble: a probe
// that records the messages it receives, and a system whose log can be searched.
package actortest

import (
	"sync"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/actorkit"
)

// Received is one message with the time of its arrival.
type Received struct {
	At      time.Time
	Message any
}

// Probe is an actor that records every message except those of its own life cycle.
type Probe struct {
	PID *actor.PID
	// Answer, if set, is called with each message, on the goroutine of the probe.
	Answer func(ctx actor.Context, message any)

	mu       sync.Mutex
	received []Received
}

// Kit returns an actor kit for a test in a bubble, with its log and its statistics. At the
// end, the test waits for the runtime's timer for dead letters.
func Kit(tb testing.TB) (*actorkit.Kit, *observer.ObservedLogs, *actorkit.Stats) {
	tb.Helper()
	tb.Cleanup(func() { time.Sleep(actorkit.DeadLetterWindow + time.Nanosecond) })
	core, logs := observer.New(zap.DebugLevel)
	stats := actorkit.NewStats(nil)
	return actorkit.New(zap.New(core), stats), logs, stats
}

// Spawn starts a probe below the root.
func Spawn(tb testing.TB, kit *actorkit.Kit, name string, answer func(actor.Context, any)) *Probe {
	tb.Helper()
	p := &Probe{Answer: answer}
	pid, err := kit.System.Root.SpawnNamed(kit.Props("probe", func() actor.Actor { return p }), name)
	if err != nil {
		tb.Fatalf("spawn probe %s: %v", name, err)
	}
	p.PID = pid
	return p
}

// Receive implements actor.Actor.
func (p *Probe) Receive(ctx actor.Context) {
	switch message := ctx.Message().(type) {
	case *actor.Started, *actor.Stopping, *actor.Stopped, *actor.Restarting:
	default:
		p.mu.Lock()
		p.received = append(p.received, Received{At: time.Now(), Message: message})
		p.mu.Unlock()
		if p.Answer != nil {
			p.Answer(ctx, message)
		}
	}
}

// All returns the messages that the probe has received so far.
func (p *Probe) All() []Received {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Received(nil), p.received...)
}

// Of returns the received messages of one type, in order.
func Of[M any](p *Probe) []M {
	var out []M
	for _, r := range p.All() {
		if m, ok := r.Message.(M); ok {
			out = append(out, m)
		}
	}
	return out
}
