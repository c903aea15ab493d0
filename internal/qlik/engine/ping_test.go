package engine_test

import (
	"testing"
	"time"

	"butler/internal/qlik/engine"
)

func TestPing_opensASessionAndNothingElse(t *testing.T) {
	r := start(t, nil, nil)
	if err := r.client.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	r.server.Stop()
	gone := newClient(t, r.server.Addr(), func(o *engine.Options) { o.ConnectTimeout = time.Second })
	if err := gone.Ping(t.Context()); err == nil {
		t.Error("an engine that is gone answers")
	}
}
