// Package supervisors owns the supervision of actors: the restart strategy, the root of
// the tree, and the health board.
//
// It guarantees that a failing child is restarted after a growing pause; that when its
// budget of failures is spent, the whole service ends with an error (a critical child) or
// the child is restarted at a slower pace, without end (all others); and that every
// failure is logged and shown on the health board. Only panics are failures here; an
// expected failure is a message. It must never keep domain state. The health board is
// read by HTTP handlers while actors write it, and children of the root fail on different
// goroutines, so both the board and a strategy hold a mutex.
package supervisors

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/zap"

	"butler/internal/logx"
)

// Exhausted is what happens when the budget of a child is spent.
type Exhausted uint8

const (
	// Degrade restarts the child after the pause Slow as long as the budget is spent.
	Degrade Exhausted = iota
	// Escalate ends the service: OnFatal is called and the child stays down.
	Escalate
)

// Policy determines when failing children are restarted.
type Policy struct {
	// Initial and Max bound the pause before a restart; it doubles per failure.
	Initial, Max time.Duration
	// Budget is the number of failures within Window that are tolerated.
	Budget int
	Window time.Duration
	// Then applies when the budget is spent.
	Then Exhausted
	// Slow is the pause before a restart while the budget is spent.
	Slow time.Duration
}

// The failure policies of the tree. Budget pauses of Max fit into Window, so that a child
// that fails immediately after each restart spends its budget.
var (
	// Critical is for actors that the service cannot work without: ingest, executions, notify.
	Critical = Policy{Initial: 100 * time.Millisecond, Max: 2 * time.Second, Budget: 10, Window: time.Minute, Then: Escalate}
	// Service is for all other actors that exist as long as the process.
	Service = Policy{Initial: 100 * time.Millisecond, Max: 15 * time.Second, Budget: 20, Window: 10 * time.Minute, Then: Degrade, Slow: time.Minute}
)

// Strategy restarts failing children by a policy. One value serves one supervisor.
type Strategy struct {
	policy  Policy
	log     *zap.Logger
	health  *Board
	onFatal func(child string, reason any)

	mu     sync.Mutex
	failed map[string][]time.Time
	// due are the restarts to come, by child.
	due map[string]*time.Timer
}

// NewStrategy returns a strategy. With Escalate, onFatal is called when the budget of a
// child is spent. It must not block.
func NewStrategy(p Policy, log *zap.Logger, health *Board, onFatal func(child string, reason any)) *Strategy {
	return &Strategy{policy: p, log: log, health: health, onFatal: onFatal, failed: map[string][]time.Time{}, due: map[string]*time.Timer{}}
}

// HandleFailure implements actor.SupervisorStrategy. The child is suspended
// until its restart, and keeps its mailbox.
func (s *Strategy) HandleFailure(_ *actor.ActorSystem, supervisor actor.Supervisor, child *actor.PID,
	_ *actor.RestartStatistics, reason, _ any,
) {
	delay, exhausted := s.decide(time.Now(), child.GetId())
	name := logx.Actor(child.GetId())
	if exhausted && s.policy.Then == Escalate {
		s.health.Set(child.GetId(), Down, "failed too often")
		s.log.Error("critical actor failed too often, the service ends", name, zap.Any("panic", reason))
		s.onFatal(child.GetId(), reason)
		return
	}
	s.health.Set(child.GetId(), Degraded, "restarting after a failure")
	s.log.Warn("actor is restarted after a failure", name, logx.Delay(delay), zap.Bool("degraded", exhausted), zap.Any("panic", reason))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due[child.GetId()] = time.AfterFunc(delay, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, awaited := s.due[child.GetId()]; !awaited {
			return
		}
		delete(s.due, child.GetId())
		s.health.Set(child.GetId(), Up, "")
		supervisor.RestartChildren(child)
	})
}

// Forget removes what is stored about a child that has ended: its failures, its health,
// and a pending restart. A later child may have the same address.
func (s *Strategy) Forget(child string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if due := s.due[child]; due != nil {
		due.Stop()
	}
	delete(s.due, child)
	delete(s.failed, child)
	s.health.Remove(child)
}

// decide counts a failure and returns the pause, and whether the budget is spent.
func (s *Strategy) decide(now time.Time, child string) (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	recent := s.failed[child][:0]
	for _, at := range s.failed[child] {
		if now.Sub(at) < s.policy.Window {
			recent = append(recent, at)
		}
	}
	recent = append(recent, now)
	s.failed[child] = recent
	if len(recent) > s.policy.Budget {
		return s.policy.Slow, true
	}
	pause := s.policy.Max
	if n := len(recent) - 1; n < 20 {
		pause = min(pause, s.policy.Initial<<n)
	}
	return pause/2 + rand.N(pause/2+1), false
}

// StopEntity is the strategy for entities: it stops the failing one. The parent, which is
// notified of that, rebuilds it from the journal.
type StopEntity struct{}

// HandleFailure implements actor.SupervisorStrategy.
func (StopEntity) HandleFailure(_ *actor.ActorSystem, supervisor actor.Supervisor, child *actor.PID,
	_ *actor.RestartStatistics, _, _ any,
) {
	supervisor.StopChildren(child)
}
