package supervisors

import (
	"fmt"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/actorkit"
)

// Child is a row of the tree: an actor below the root.
type Child struct {
	// Name is the actor's name and its name on the health board.
	Name string
	// Critical children end the service when they fail too often.
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
	kit    *actorkit.Kit
	log    *zap.Logger
	pids   []*actor.PID
	health *Board
}

// Start spawns the children in order. onFatal is called when a critical child is beyond rescue.
func Start(kit *actorkit.Kit, log *zap.Logger, health *Board, children []Child, onFatal func(child string, reason any)) (*Tree, error) {
	t := &Tree{kit: kit, log: log, health: health}
	critical := NewStrategy(Critical, log, health, onFatal)
	service := NewStrategy(Service, log, health, onFatal)
	for _, c := range children {
		strategy := service
		if c.Critical {
			strategy = critical
		}
		props := c.Props().Clone(actor.WithGuardian(strategy))
		pid, err := kit.System.Root.SpawnNamed(props, c.Name)
		if err != nil {
			return t, fmt.Errorf("spawn %s: %w", c.Name, err)
		}
		health.Set(c.Name, Up, "")
		t.pids = append(t.pids, pid)
		if c.Spawned != nil {
			c.Spawned(pid)
		}
	}
	return t, nil
}

// Stop ends the children in reverse order of their start and waits for each: a
// child finishes the message at hand and stops its own children first.
func (t *Tree) Stop() {
	for i := len(t.pids) - 1; i >= 0; i-- {
		if err := t.kit.System.Root.StopFuture(t.pids[i]).Wait(); err != nil {
			t.log.Warn("actor did not stop in time", zap.String("actor", t.pids[i].GetId()), zap.Error(err))
		}
	}
	t.pids = nil
}
