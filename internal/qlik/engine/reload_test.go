package engine_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"butler/internal/qlik/engine"
	"butler/internal/sim/edge"
	"butler/internal/sim/enginesim"
	"butler/messages"
)

func TestReload_reloadsAndSaves(t *testing.T) {
	tests := []struct {
		name    string
		request engine.Reload
		params  string
	}{
		{"whole", engine.Reload{}, "[0,false]"},
		{"partial, in another mode", engine.Reload{Mode: 2, Partial: true}, "[2,true]"},
		{"a mode that does not exist means 0", engine.Reload{Mode: 3}, "[0,false]"},
		{"a negative mode means 0", engine.Reload{Mode: -1}, "[0,false]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := start(t, nil, nil)
			test.request.AppID = r.appID()
			outcome, err := r.reload(test.request)
			if err != nil || outcome.Err != nil {
				t.Fatal(err, outcome.Err)
			}
			if outcome.AppID != r.appID() || outcome.EngineVersion != "12.612.0" || outcome.Took <= 0 {
				t.Errorf("outcome %+v", outcome)
			}
			session := r.ended(1)[0]
			if session.Path != "/app/"+r.appID() || session.CloseCode != 1000 {
				t.Errorf("session %+v, want that of the app ended with 1000", session)
			}
			want := []string{"EngineVersion", "OpenDoc", "DoReload", "DoSave"}
			if diff := cmp.Diff(want, r.methods()); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			calls := r.server.Calls().All()
			if got := calls[1].Params; got != `["`+r.appID()+`","","","",false]` {
				t.Errorf("OpenDoc%s", got)
			}
			if got := calls[2].Params; got != test.params {
				t.Errorf("DoReload%s, want %s", got, test.params)
			}
		})
	}
}

func TestReload_returnsWhenTheAppIsOpen(t *testing.T) {
	release := make(chan struct{})
	r := start(t, func(o *enginesim.Options) {
		o.OnReload = func(enginesim.Reload) enginesim.ReloadResult {
			<-release
			return enginesim.ReloadResult{Good: true}
		}
	}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan engine.ReloadOutcome, 1)
	_, err := r.client.Reload(ctx, engine.Reload{AppID: r.appID()}, func(o engine.ReloadOutcome) { done <- o })
	cancel() // the asker has his answer and goes
	if err != nil {
		t.Fatal(err)
	}
	select {
	case o := <-done:
		t.Fatalf("the reload ended before it could: %+v", o)
	default:
	}
	close(release)
	if o := <-done; o.Err != nil {
		t.Errorf("outcome %v, want success though the asker has gone", o.Err)
	}
}

func TestReload_failsWithoutASave(t *testing.T) {
	tests := []struct {
		name   string
		result enginesim.ReloadResult
		kind   messages.FailureKind
		cause  error
	}{
		{"the engine says false", enginesim.ReloadResult{}, messages.FailureRejected, engine.ErrNotReloaded},
		{"aborted in the engine", enginesim.ReloadResult{Code: 15}, messages.FailureRejected, nil},
		{"connection lost", enginesim.ReloadResult{Drop: true}, messages.FailureUnavailable, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := start(t, func(o *enginesim.Options) {
				o.OnReload = func(enginesim.Reload) enginesim.ReloadResult { return test.result }
			}, nil)
			outcome, err := r.reload(engine.Reload{AppID: r.appID()})
			if err != nil {
				t.Fatal(err)
			}
			if kind := kindOf(t, outcome.Err); kind != test.kind || test.cause != nil && !errors.Is(outcome.Err, test.cause) {
				t.Errorf("outcome %v of kind %v, want %v", outcome.Err, kind, test.kind)
			}
			r.ended(1)
			if saved := r.server.Saved(r.appID()); saved != 0 {
				t.Errorf("saved %d times, want never", saved)
			}
		})
	}
}

func TestReload_failsWhenTheSaveDoes(t *testing.T) {
	r := start(t, nil, nil)
	r.server.Faults().Set(edge.Rule{Name: "save", Method: "DoSave", Kind: edge.Status, Status: 5, Body: "Access denied"})
	outcome, err := r.reload(engine.Reload{AppID: r.appID()})
	if err != nil || outcome.Err == nil {
		t.Fatalf("%v, outcome %v; want a failure", err, outcome.Err)
	}
	r.ended(1)
}

func TestReload_isStopped(t *testing.T) {
	tests := []struct {
		name string
		end  func(r *rig, stop func())
		want error
	}{
		{"by who started it", func(_ *rig, stop func()) { stop(); stop() }, engine.ErrStopped},
		{"with the client", func(r *rig, _ func()) { r.client.Close() }, engine.ErrClosed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := start(t, nil, nil)
			r.server.Faults().Set(edge.Rule{Name: "hang", Method: "DoReload", Kind: edge.Hang})
			done := make(chan engine.ReloadOutcome, 1)
			stop, err := r.client.Reload(t.Context(), engine.Reload{AppID: r.appID()}, func(o engine.ReloadOutcome) { done <- o })
			if err != nil {
				t.Fatal(err)
			}
			if err := r.server.Calls().AwaitTotal(t.Context(), 3); err != nil {
				t.Fatal(err)
			}
			test.end(r, stop)
			if o := <-done; !errors.Is(o.Err, test.want) {
				t.Errorf("outcome %v, want %v", o.Err, test.want)
			}
			r.ended(1)
		})
	}
}

func TestReload_isRefusedAfterClose(t *testing.T) {
	r := start(t, nil, nil)
	r.client.Close()
	_, err := r.reload(engine.Reload{AppID: r.appID()})
	if !errors.Is(err, engine.ErrClosed) {
		t.Errorf("error %v, want that the client is closed", err)
	}
	r.ended(1)
}

func TestReload_endsAtItsDeadline(t *testing.T) {
	r := start(t, nil, func(o *engine.Options) { o.ReloadTimeout = 50 * time.Millisecond })
	r.server.Faults().Set(edge.Rule{Name: "hang", Method: "DoReload", Kind: edge.Hang})
	outcome, err := r.reload(engine.Reload{AppID: r.appID()})
	if err != nil {
		t.Fatal(err)
	}
	if kind := kindOf(t, outcome.Err); kind != messages.FailureTimeout {
		t.Errorf("outcome %v, want a timeout", outcome.Err)
	}
	r.ended(1)
}

func TestReload_mayTakeLongerThanACall(t *testing.T) {
	r := start(t, func(o *enginesim.Options) {
		o.OnReload = func(enginesim.Reload) enginesim.ReloadResult {
			return enginesim.ReloadResult{After: 1100 * time.Millisecond, Good: true}
		}
	}, func(o *engine.Options) { o.CallTimeout, o.PingInterval = 600*time.Millisecond, 300*time.Millisecond })
	outcome, err := r.reload(engine.Reload{AppID: r.appID()})
	if err != nil || outcome.Err != nil {
		t.Fatal(err, outcome.Err)
	}
}

func TestReload_noticesAnEngineThatVanished(t *testing.T) {
	deaf := &deafDialer{}
	r := start(t, nil, func(o *engine.Options) { o.PingInterval, o.Dial = 30*time.Millisecond, deaf.dial })
	r.server.Faults().Set(edge.Rule{Name: "hang", Method: "DoReload", Kind: edge.Hang})
	done := make(chan engine.ReloadOutcome, 1)
	_, err := r.client.Reload(t.Context(), engine.Reload{AppID: r.appID()}, func(o engine.ReloadOutcome) { done <- o })
	if err != nil {
		t.Fatal(err)
	}
	deaf.on.Store(true)
	o := <-done
	if kind := kindOf(t, o.Err); kind != messages.FailureUnavailable {
		t.Errorf("outcome %v of kind %v, want unavailable", o.Err, kind)
	}
}

// deafDialer makes connections that swallow what is written once on is true, as
// a broken cable does.
type deafDialer struct{ on atomic.Bool }

func (d *deafDialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	return &deafConn{conn, d}, err
}

type deafConn struct {
	net.Conn
	dialer *deafDialer
}

func (c *deafConn) Write(p []byte) (int, error) {
	if c.dialer.on.Load() {
		return len(p), nil
	}
	return c.Conn.Write(p)
}

func TestReload_aPanicIsAFailure(t *testing.T) {
	// Handshake, EngineVersion and OpenDoc are written first; then comes DoReload.
	const reload = 4
	r := start(t, nil, func(o *engine.Options) {
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			return &panickingConn{Conn: conn, at: reload}, err
		}
	})
	outcome, err := r.reload(engine.Reload{AppID: r.appID()})
	if err != nil {
		t.Fatal(err)
	}
	if outcome.Err == nil || !strings.Contains(outcome.Err.Error(), "panic: a bug below the session") {
		t.Errorf("outcome %v, want the panic", outcome.Err)
	}
	r.ended(1)
	if _, err := r.client.ListApps(t.Context()); err != nil {
		t.Errorf("the next session: %v", err)
	}
}

func TestReload_aPanicBeforeItBeginsLeavesNothingBehind(t *testing.T) {
	first := true
	r := start(t, nil, func(o *engine.Options) {
		o.MaxReloads = 1
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if first {
				first = false
				conn = &panickingConn{Conn: conn, at: 2}
			}
			return conn, err
		}
	})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the caller is not notified of a bug")
			}
		}()
		_, _ = r.reload(engine.Reload{AppID: r.appID()})
	}()
	r.ended(1)
	if outcome, err := r.reload(engine.Reload{AppID: r.appID()}); err != nil || outcome.Err != nil {
		t.Errorf("the next reload: %v, %v", err, outcome.Err)
	}
}

type panickingConn struct {
	net.Conn
	writes, at int
}

func (c *panickingConn) Write(p []byte) (int, error) {
	if c.writes++; c.writes == c.at {
		panic("a bug below the session")
	}
	return c.Conn.Write(p)
}

func TestReload_limitsHowManyRun(t *testing.T) {
	r := start(t, nil, func(o *engine.Options) { o.MaxReloads, o.ConnectTimeout = 1, 500*time.Millisecond })
	r.server.Faults().Set(edge.Rule{Name: "hang", Method: "DoReload", Kind: edge.Hang})
	done := make(chan engine.ReloadOutcome, 1)
	stop, err := r.client.Reload(t.Context(), engine.Reload{AppID: r.appID()}, func(o engine.ReloadOutcome) { done <- o })
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.reload(engine.Reload{AppID: r.appID()})
	if kind := kindOf(t, err); kind != messages.FailureBusy {
		t.Errorf("second reload: %v, want busy", err)
	}
	if _, err := r.client.ListApps(t.Context()); err != nil {
		t.Errorf("a list waits for reloads: %v", err)
	}
	stop()
	<-done
}
