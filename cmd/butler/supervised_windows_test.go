package main

import (
	"context"
	"io"
	"slices"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/windows/svc"
)

// execution is a program that Windows executes.
type execution struct {
	requests chan svc.ChangeRequest
	changes  chan svc.Status
	code     chan uint32
	reports  []string
	exits    []int
}

// executeAs starts the program under the name; its status is to be read from changes.
func executeAs(name string, run func(ctx context.Context, complaints io.Writer) int) *execution {
	e := &execution{make(chan svc.ChangeRequest), make(chan svc.Status), make(chan uint32, 1), nil, nil}
	p := &program{
		run:    run,
		report: func(service, complaints string) { e.reports = append(e.reports, service+": "+complaints) },
		exit:   func(code int) { e.exits = append(e.exits, code) },
	}
	go func() {
		_, code := p.Execute([]string{name}, e.requests, e.changes)
		e.code <- code
	}()
	return e
}

func TestProgram_stopWaitsForTheOrderlyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		drained := make(chan struct{})
		e := executeAs("butler", func(ctx context.Context, _ io.Writer) int { <-ctx.Done(); <-drained; return 0 })
		running := <-e.changes
		if running.State != svc.Running || running.Accepts&svc.AcceptStop == 0 {
			t.Errorf("want it running and to be stopped, got %+v", running)
		}
		e.requests <- svc.ChangeRequest{Cmd: svc.Interrogate, CurrentStatus: running}
		if got := <-e.changes; got != running {
			t.Errorf("want its status as it was, got %+v", got)
		}
		e.requests <- svc.ChangeRequest{Cmd: svc.Stop}
		for check := range uint32(3) {
			if got := <-e.changes; got.State != svc.StopPending || got.CheckPoint != check || got.WaitHint == 0 {
				t.Errorf("want step %d of the stop, got %+v", check, got)
			}
		}
		close(drained)
		if code := <-e.code; code != 0 || len(e.reports)+len(e.exits) != 0 {
			t.Errorf("want no failure, got %d, %q, %v", code, e.reports, e.exits)
		}
	})
}

func TestProgram_aFailureEndsTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := executeAs("butler-test", func(_ context.Context, complaints io.Writer) int {
			_, _ = io.WriteString(complaints, "no port")
			return 7
		})
		<-e.changes
		<-e.code
		if want := []string{"butler-test: no port"}; !slices.Equal(want, e.reports) || !slices.Equal(e.exits, []int{7}) {
			t.Errorf("want it reported under the name of the service, and the process ended with 7, got %q, %v", e.reports, e.exits)
		}
	})
}

// Windows restarts a service whose process ends without a word, even during a stop.
func TestProgram_aFailureDuringAStopEndsTheServiceOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := executeAs("butler", func(ctx context.Context, complaints io.Writer) int {
			<-ctx.Done()
			_, _ = io.WriteString(complaints, "not drained")
			return 1
		})
		<-e.changes
		e.requests <- svc.ChangeRequest{Cmd: svc.Shutdown}
		<-e.changes
		if code := <-e.code; code != 1 || len(e.reports) != 1 || len(e.exits) != 0 {
			t.Errorf("want the failure reported and no exit, got %d, %q, %v", code, e.reports, e.exits)
		}
	})
}
