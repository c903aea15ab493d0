package actorkit

import (
	"context"
	"fmt"
	"runtime/debug"
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
// posts nothing. It reports false, and calls nothing, when the pool is full. A
// panic in call crashes the actor, so that supervision rebuilds it; where it has to
// be a failure of this one call, make that with Guard.
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
		defer func() {
			if cause := recover(); cause != nil {
				post(panicked{life: e, cause: cause, stack: debug.Stack()})
			}
		}()
		if message := call(bounded); message != nil && e.ctx.Err() == nil {
			post(message)
		}
	}()
	return true
}

// panicked brings a panic in a call to the actor that made it, under which it counts.
type panicked struct {
	life  *Effects
	cause any
	stack []byte
}

// Error says what a panic of the actor would.
func (p panicked) Error() string { return fmt.Sprint(p.cause) }

// Close cancels every running call. Their answers are dropped.
func (e *Effects) Close() { e.cancel() }
