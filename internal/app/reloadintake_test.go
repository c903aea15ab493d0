package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"butler/actors/ingest"
	"butler/config"
)

// onPort is a generation with that UDP port.
func onPort(t *testing.T, a *App, port string) *generation {
	t.Helper()
	file := filepath.Join(t.TempDir(), "butler.yaml")
	if err := os.WriteFile(file, []byte("Butler:\n  udpServerConfig: {enable: true, portTaskFailure: "+port+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(config.Options{Path: file, Schemas: Schemas(), Environ: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	return &generation{App: a, cfg: cfg}
}

// free is a port that is taken until then.
func free(at time.Time) func(context.Context) (ingest.Socket, error) {
	return func(context.Context) (ingest.Socket, error) {
		if time.Now().Before(at) {
			return nil, errors.New("address already in use")
		}
		return nil, nil
	}
}

func TestReload_goesBackToThePortOfAMomentAgo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, now := &App{}, time.Now()
		g := onPort(t, a, "9998")
		g.previous = onPort(t, a, "9999")
		a.reloads.vacated = vacatedPort{9998, now.Add(ingest.LingerFor + time.Second)}
		if _, err := g.bindIntake(t.Context(), free(now.Add(ingest.LingerFor))); err != nil {
			t.Errorf("want it bound when the socket of before is closed, got %v", err)
		}
		waited := time.Since(now)
		if _, err := g.bindIntake(t.Context(), free(now.Add(time.Hour))); err == nil || time.Since(now) > waited {
			t.Errorf("want a port that somebody else has refused at once, got %v after %s", err, time.Since(now)-waited)
		}
	})
}

func TestReload_anotherHostAtThePortInUseIsToldAsSuch(t *testing.T) {
	a := &App{}
	g := onPort(t, a, "9998")
	g.previous = onPort(t, a, "9998")
	_, err := g.bindIntake(t.Context(), free(time.Now().Add(time.Hour)))
	if err == nil || !strings.Contains(err.Error(), "address already in use: this service itself uses the port") {
		t.Errorf("want to be told who has the port, got %v", err)
	}
}

func TestReload_saysWhatTakesUpTheMendedFile(t *testing.T) {
	for _, row := range []struct {
		trigger Trigger
		system  string
		want    string
	}{
		{ByFile, "linux", "correct and save the file; it is loaded automatically. After any other correction, `butler reload` or SIGHUP tries again"},
		{ByFile, "windows", "correct and save the file; it is loaded automatically. After any other correction, `butler reload` tries again"},
		{BySignal, "linux", "after the correction, `butler reload` or SIGHUP tries again"},
		{ByAPI, "windows", "after the correction, `butler reload` tries again"},
	} {
		if got := nextStep(row.trigger, row.system); got != row.want {
			t.Errorf("%s on %s: want %q, got %q", row.trigger, row.system, row.want, got)
		}
	}
}
