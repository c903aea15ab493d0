package actorkit

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Pool bounds how many blocking calls to one resource run at once.
type Pool struct{ slots chan struct{} }

// NewPool returns a pool of size slots.
func NewPool(size int) *Pool { return &Pool{slots: make(chan struct{}, max(size, 1))} }

// Effects runs an actor's blocking calls outside of it. One value belongs to
// one actor instance; close it when the actor stops or restarts.
type Effects struct {
	pool   *Pool
	ctx    context.Context //nolint:containedctx // the lifetime of the owning actor, cancelled by Close
	cancel context.CancelFunc
}

// NewEffects returns effects that share pool with whoever else uses it.
func NewEffects(pool *Pool) *Effects {
	ctx, cancel := context.WithCancel(context.Background())
	return &Effects{pool: pool, ctx: ctx, cancel: cancel}
}

// Run calls call on a goroutine of its own with a deadline of timeout from now,
// and posts what it returns to the actor of ctx as an ordinary message; nil
// posts nothing. It reports false, and calls nothing, when the pool is full.
func (e *Effects) Run(ctx actor.Context, timeout time.Duration, call func(context.Context) any) bool {
	select {
	case e.pool.slots <- struct{}{}:
	default:
		return false
	}
	post := Poster(ctx)
	go func() {
		defer func() { <-e.pool.slots }()
		bounded, cancel := context.WithTimeout(e.ctx, timeout)
		defer cancel()
		if message := call(bounded); message != nil && e.ctx.Err() == nil {
			post(message)
		}
	}()
	return true
}

// Close cancels every running call. Their answers are dropped.
func (e *Effects) Close() { e.cancel() }
