package app

import (
	"context"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"butler/internal/actorkit/actortest"
	"butler/supervisors"
)

// The shutdown waits for a reload under way, and must not wait for an actor that hangs.
func TestReload_stopsWaitingForAnActorWhenTheServiceStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit, _, _ := actortest.Kit(t)
		hanging, release := make(chan struct{}), make(chan struct{})
		stuck := supervisors.Child{Name: "mqttlink", Props: func() *actor.Props {
			return kit.Props("stuck", func() actor.Actor {
				return actor.ReceiveFunc(func(ctx actor.Context) {
					if _, ok := ctx.Message().(*actor.Started); ok {
						close(hanging)
						<-release
					}
				})
			})
		}}
		lifetime, endLifetime := context.WithCancel(t.Context())
		a := &App{
			kit: kit, log: zap.NewNop(), health: supervisors.NewBoard(), reg: prometheus.NewRegistry(), shared: map[reflect.Type]any{},
			fatal: make(chan error, 1), lifetime: func() context.Context { return lifetime },
		}
		var err error
		a.tree, err = supervisors.Start(kit, a.log, a.health, []supervisors.Child{stuck}, a.onFatal)
		if err != nil {
			t.Fatal(err)
		}
		<-hanging
		before, next := onPort(t, a, "9998"), onPort(t, a, "9998")
		before.add(part{name: mqttPart, actors: []supervisors.Child{stuck}})
		next.add(part{name: mqttPart, actors: []supervisors.Child{stuck}})
		next.previous = before
		began := time.Now()
		time.AfterFunc(time.Second, endLifetime)
		next.replaceActors(before.partsNotIn(next))
		if took := time.Since(began); took != time.Second {
			t.Errorf("want the reload to end with the service, after 1s, got %s", took)
		}
		select {
		case err := <-a.fatal:
			t.Errorf("want no failure of an actor that is not needed any more, got %v", err)
		default:
		}
		close(release)
		synctest.Wait()
	})
}
