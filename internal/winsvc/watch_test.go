package winsvc_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"butler/internal/winsvc"
	"butler/messages"
)

// poll is the time between the observations of these tests.
const poll = 30 * time.Second

var start = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

const missing = winsvc.State(-1)

// tell makes a watch observe the states, one per poll, and returns the reports as text.
func tell(d winsvc.Damping, states ...winsvc.State) string {
	var w winsvc.Watch
	var told []string
	for i, s := range states {
		if s == missing {
			w.Missing()
			continue
		}
		if c := w.Observe(start.Add(time.Duration(i)*poll), s, d); c.Kind != "" {
			told = append(told, fmt.Sprintf("%d:%s after %s", i, strings.TrimPrefix(string(c.Kind), "windows_service_"), c.Previous))
		}
	}
	return strings.Join(told, ", ")
}

func TestWatch_reportsChangesBetweenSettledStates(t *testing.T) {
	const (
		run, stop, pause   = winsvc.Running, winsvc.Stopped, winsvc.Paused
		starting, stopping = winsvc.StartPending, winsvc.StopPending
	)
	for _, row := range []struct {
		name   string
		states []winsvc.State
		want   string
	}{
		{"running at the first poll is no news", []winsvc.State{run, run}, ""},
		{"stopped at the first poll is told, from an unknown state", []winsvc.State{stop, stop}, "0:stopped after PAUSED"},
		{"missing at first and running later has started", []winsvc.State{missing, run}, "1:started after PAUSED"},
		{"missing in between is no change", []winsvc.State{run, missing, run}, ""},
		{"stopped while it could not be seen", []winsvc.State{run, missing, stop}, "2:stopped after RUNNING"},
		{"stops and starts", []winsvc.State{run, stop, run}, "1:stopped after RUNNING, 2:started after STOPPED"},
		{"pending states are no change", []winsvc.State{run, stopping, stopping, stop, starting, run}, "3:stopped after RUNNING, 5:started after STOPPED"},
		{"a restart between polls that is seen pending is no change", []winsvc.State{run, stopping, starting, run}, ""},
		{"starting at the first poll, then running, is no news", []winsvc.State{starting, run}, ""},
		{"starting at the first poll, then stopped, is told", []winsvc.State{starting, stop}, "1:stopped after PAUSED"},
		{"a service that pauses has not stopped, and has not started when it goes on", []winsvc.State{run, pause, run}, ""},
		{"a paused service that stops", []winsvc.State{run, pause, stop}, "2:stopped after PAUSED"},
		{"a stopped service that is started paused, and then goes on", []winsvc.State{stop, pause, run}, "0:stopped after PAUSED, 2:started after PAUSED"},
		{"paused at the first poll, then running", []winsvc.State{pause, run}, "1:started after PAUSED"},
		{"a state that Windows does not have is no change", []winsvc.State{run, 99, run}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := tell(winsvc.Damping{}, row.states...); got != row.want {
				t.Errorf("want %q, got %q", row.want, got)
			}
		})
	}
}

func TestWatch_suppressesTheChangesOfAFlappingService(t *testing.T) {
	d := winsvc.Damping{Changes: 2, Within: 5 * time.Minute, Quiet: 2 * time.Minute}
	const run, stop = winsvc.Running, winsvc.Stopped
	for _, row := range []struct {
		name   string
		states []winsvc.State
		want   string
	}{
		{"as many changes as allowed are told", []winsvc.State{run, stop, run}, "1:stopped after RUNNING, 2:started after STOPPED"},
		{"one more is not", []winsvc.State{run, stop, run, stop, run}, "1:stopped after RUNNING, 2:started after STOPPED"},
		{
			"what it comes to rest at is told, from what was told last",
			[]winsvc.State{run, stop, run, stop, run, stop, stop, stop, stop, stop},
			"1:stopped after RUNNING, 2:started after STOPPED, 9:stopped after RUNNING",
		},
		{
			"unless that was told already",
			[]winsvc.State{run, stop, run, stop, run, run, run, run, run, run},
			"1:stopped after RUNNING, 2:started after STOPPED",
		},
		{
			"after it has come to rest, changes are told again",
			[]winsvc.State{run, stop, run, stop, run, run, run, run, run, stop},
			"1:stopped after RUNNING, 2:started after STOPPED, 9:stopped after RUNNING",
		},
		{
			"changes that are far apart are all told",
			[]winsvc.State{run, stop, stop, stop, stop, stop, stop, run, run, run, run, run, run, stop},
			"1:stopped after RUNNING, 7:started after STOPPED, 13:stopped after RUNNING",
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := tell(d, row.states...); got != row.want {
				t.Errorf("want %q, got %q", row.want, got)
			}
		})
	}
}

func TestWatch_reportsTheFinalState(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := winsvc.Damping{Changes: rapid.IntRange(0, 4).Draw(t, "changes"), Within: 5 * time.Minute, Quiet: 2 * time.Minute}
		states := rapid.SliceOf(rapid.SampledFrom([]winsvc.State{
			missing, winsvc.Running, winsvc.Stopped, winsvc.Paused, winsvc.StartPending, winsvc.StopPending, winsvc.Unknown,
		})).Draw(t, "states")
		last := rapid.SampledFrom([]winsvc.State{winsvc.Running, winsvc.Stopped}).Draw(t, "last")
		for range int(d.Quiet/poll) + 1 {
			states = append(states, last)
		}
		var w winsvc.Watch
		told, changes := winsvc.Running, 0 // without a report it counts as running
		for i, s := range states {
			if s == missing {
				w.Missing()
				continue
			}
			c := w.Observe(start.Add(time.Duration(i)*poll), s, d)
			if c.Kind == "" {
				continue
			}
			changes++
			now := map[messages.AlertKind]winsvc.State{messages.ServiceStarted: winsvc.Running, messages.ServiceStopped: winsvc.Stopped}[c.Kind]
			if now != s || now == told && changes > 1 {
				t.Fatalf("poll %d: told of %s in state %s after %s", i, c.Kind, s, told)
			}
			told = now
		}
		if told != last {
			t.Errorf("the service came to rest %s, and the last that was told is %s", last, told)
		}
	})
}

func TestWatch_copiesAreIndependent(t *testing.T) {
	start, damping := time.Date(2026, 5, 6, 8, 0, 0, 0, time.UTC), winsvc.Damping{Changes: 3, Within: time.Minute, Quiet: time.Minute}
	look := func(w *winsvc.Watch, second int, s winsvc.State) winsvc.Change {
		return w.Observe(start.Add(time.Duration(second)*time.Second), s, damping)
	}
	var watch winsvc.Watch
	look(&watch, 0, winsvc.Running)
	look(&watch, 1, winsvc.Stopped)
	look(&watch, 50, winsvc.Running)
	look(&watch, 55, winsvc.Stopped)
	for range 3 { // a change that was not taken is found again
		again := watch
		if got := look(&again, 65, winsvc.Running); got.Unsteady || got.Kind != messages.ServiceStarted {
			t.Errorf("want the start told, the third change of a minute, got %+v", got)
		}
	}
}

func TestNames_areChecked(t *testing.T) {
	for name, ok := range map[string]bool{
		"sense1": true, "sense_1.example.com": true, "10.0.0.1": true, "fe80::1": true,
		"": false, "a b": false, `\\sense1`: false, "a|b": false, strings.Repeat("a", 256): false,
	} {
		if err := winsvc.CheckHost(name); (err == nil) != ok {
			t.Errorf("host %.20q: want accepted %t, got %v", name, ok, err)
		}
	}
	for name, ok := range map[string]bool{
		"QlikSenseEngineService": true, "Print Spooler": true, "postgresql-x64-12": true, "MSSQL$SENSE": true, "Größe": true,
		"": false, "a\nb": false, `a\b`: false, "a/b": false, strings.Repeat("a", 257): false,
	} {
		if err := winsvc.CheckService(name); (err == nil) != ok {
			t.Errorf("service %.20q: want accepted %t, got %v", name, ok, err)
		}
	}
}
