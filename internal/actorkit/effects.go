package actorkit

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/asynkron/protoactor-go/actor"
)

// Pool bounds the number of concurrent blocking calls to one resource.
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

// NewEffects returns effects whose calls take slots of pool, which others may use, too.
func NewEffects(pool *Pool) *Effects {
	ctx, cancel := context.WithCancel(context.Background())
	return &Effects{pool: pool, ctx: ctx, cancel: cancel}
}

// Run calls call on a new goroutine, with a deadline of timeout from now, and sends the
// result to the actor of ctx as an ordinary message, unless it is nil. If the pool is
// full, it returns false and calls nothing. A panic in call is repeated in the actor, so
// that supervision restarts it; use Guard to make it a failure of the call instead.
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

// panicked is the message that repeats a panic in a call in the actor that made the call.
type panicked struct {
	life  *Effects
	cause any
	stack []byte
}

// Error returns the text of the panic.
func (p panicked) Error() string { return fmt.Sprint(p.cause) }

// Close cancels every running call and drops their results. It does not wait for them.
func (e *Effects) Close() { e.cancel() }
