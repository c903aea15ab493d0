package engine_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"

	"butler/internal/qlik/engine"
	"butler/internal/qlik/identity"
	"butler/internal/sim/enginesim"
	"butler/internal/sim/world"
	"butler/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const user = "UserDirectory=Internal;UserId=sa_repository"

// rig is a simulated engine and a client of it.
type rig struct {
	*testing.T
	world  *world.World
	server *enginesim.Server
	client *engine.Client
}

// start returns a rig whose engine and client are changed before they begin.
func start(t *testing.T, sim func(*enginesim.Options), change func(*engine.Options)) *rig {
	t.Helper()
	w := world.New(world.Options{Seed: 1})
	o := enginesim.Options{World: w, PlainHTTP: true}
	if sim != nil {
		sim(&o)
	}
	server, err := enginesim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return &rig{T: t, world: w, server: server, client: newClient(t, server.Addr(), change)}
}

// newClient returns a client of what listens at an address, with short times.
func newClient(t *testing.T, address string, change func(*engine.Options)) *engine.Client {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	o := engine.Options{
		Host: host, Port: number, Headers: identity.Headers{{Name: "X-Qlik-User", Value: user}},
		ConnectTimeout: 10 * time.Second, CallTimeout: 10 * time.Second,
	}
	if change != nil {
		change(&o)
	}
	client, err := engine.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// appID returns the ID of the first app of the world.
func (r *rig) appID() string {
	for app := range r.world.Apps() {
		return app.ID
	}
	r.Fatal("the world has no app")
	return ""
}

// reload starts a reload and returns its outcome.
func (r *rig) reload(request engine.Reload) (engine.ReloadOutcome, error) {
	r.Helper()
	outcomes := make(chan engine.ReloadOutcome, 2)
	if _, err := r.client.Reload(r.Context(), request, func(o engine.ReloadOutcome) { outcomes <- o }); err != nil {
		return engine.ReloadOutcome{}, err
	}
	return <-outcomes, nil
}

// methods returns the methods that were called, in order.
func (r *rig) methods() []string {
	var out []string
	for _, call := range r.server.Calls().All() {
		out = append(out, call.Method)
	}
	return out
}

// ended waits until n sessions are over and returns them; none is open then.
func (r *rig) ended(n int) []enginesim.Session {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 30*time.Second)
	defer cancel()
	if err := r.server.Ended().AwaitTotal(ctx, n); err != nil {
		r.Fatalf("%d sessions have ended, want %d", r.server.Ended().Total(), n)
	}
	if open := r.server.Open(); open != 0 {
		r.Errorf("%d sessions are open, want none", open)
	}
	return r.server.Ended().All()
}

func kindOf(t *testing.T, err error) messages.FailureKind {
	t.Helper()
	failed, ok := errors.AsType[*engine.Error](err)
	if !ok {
		t.Fatalf("error %v (%T), want an *engine.Error", err, err)
	}
	if failure := failed.Failure(); failure.Kind != failed.Kind || failure.Text != err.Error() {
		t.Errorf("failure %+v does not say what the error says: %v", failure, err)
	}
	return failed.Kind
}
