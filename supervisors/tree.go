package supervisors

import (
	"context"
	"fmt"
	"slices"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
	"butler/internal/logx"
)

// Child is a row of the tree: an actor below the root.
type Child struct {
	// Name is the actor's name and its name on the health board.
	Name string
	// Critical means that the service ends if the child fails too often.
	Critical bool
	// Props builds the child's props. It runs when the children before it are
	// spawned, so a row may refer to the PIDs of earlier rows.
	Props func() *actor.Props
	// Spawned receives the child's PID; nil to ignore it.
	Spawned func(*actor.PID)
}

// Tree is the whole supervision tree as data, in order of start. It is stopped
// in reverse order.
type Tree struct {
	kit               *actorkit.Kit
	log               *zap.Logger
	pids              []*actor.PID
	health            *Board
	critical, service *Strategy
}

// Start spawns the children in order. onFatal is called, on the goroutine of the child,
// when a critical child has failed too often. After an error, the returned tree has the
// children that were started.
func Start(kit *actorkit.Kit, log *zap.Logger, health *Board, children []Child, onFatal func(child string, reason any)) (*Tree, error) {
	t := &Tree{kit: kit, log: log, health: health}
	t.critical = NewStrategy(Critical, log, health, onFatal)
	t.service = NewStrategy(Service, log, health, onFatal)
	for _, c := range children {
		if err := t.Add(c); err != nil {
			return t, err
		}
	}
	return t, nil
}

// Add spawns one more child, which will be the first to be stopped. It may have the name
// of one that was removed, and then has the same address.
func (t *Tree) Add(c Child) error {
	strategy := t.service
	if c.Critical {
		strategy = t.critical
	}
	props := c.Props().Clone(actor.WithGuardian(strategy))
	pid, err := t.kit.System.Root.SpawnNamed(props, c.Name)
	if err != nil {
		return fmt.Errorf("spawn %s: %w", c.Name, err)
	}
	t.health.Set(c.Name, Up, "")
	t.pids = append(t.pids, pid)
	if c.Spawned != nil {
		c.Spawned(pid)
	}
	return nil
}

// Remove ends the child of that name, if there is one, and waits for it as Stop does.
func (t *Tree) Remove(ctx context.Context, name string) error {
	at := slices.IndexFunc(t.pids, func(pid *actor.PID) bool { return pid.GetId() == name })
	if at < 0 {
		return nil
	}
	err := t.stop(ctx, t.pids[at])
	t.critical.Forget(name)
	t.service.Forget(name)
	t.pids = slices.Delete(t.pids, at, at+1)
	if err != nil {
		return fmt.Errorf("stop %s: %w", name, err)
	}
	return nil
}

// Stop stops the children in reverse order of their start and waits for each: a child
// finishes its current message and stops its own children first. When ctx ends, it stops
// the others without waiting for them.
func (t *Tree) Stop(ctx context.Context) {
	for _, pid := range slices.Backward(t.pids) {
		if err := t.stop(ctx, pid); err != nil {
			t.log.Warn("actor did not stop in time", logx.Actor(pid.GetId()), logx.Err(err))
		}
	}
	t.pids = nil
}

// stop stops one child and waits for it, until ctx ends or for 10 seconds, the limit of
// the runtime. The runtime cannot wait with a context, so a goroutine waits.
func (t *Tree) stop(ctx context.Context, pid *actor.PID) error {
	ended := make(chan error, 1)
	future := t.kit.System.Root.StopFuture(pid)
	go func() { ended <- future.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
