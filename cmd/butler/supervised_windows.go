package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"time"

	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/eventlog"
)

// supervised runs the program under the service manager of Windows when that started
// the process, and otherwise returns false.
func supervised(run func(ctx context.Context, complaints io.Writer) int) (code int, ok bool) {
	if is, err := svc.IsWindowsService(); err != nil || !is {
		return 0, false
	}
	// Windows ignores the name for a process with a single service, and passes the real
	// one to Execute.
	if err := svc.Run(serviceName, &program{run: run, report: reportFailure, exit: os.Exit}); err != nil {
		return 1, true
	}
	return 0, true
}

// program is the service as Windows controls it.
type program struct {
	run    func(ctx context.Context, complaints io.Writer) int
	report func(service, complaints string)
	exit   func(code int)
}

// While the service shuts down, it tells Windows every stopTick that it goes on, and
// that the next word may take stopHint.
const (
	stopTick = time.Second
	stopHint = 10 * time.Second
)

// Execute implements svc.Handler. args begins with the name of the service. When the
// service fails, Execute ends the process without a word to Windows, which only then
// restarts it. A failure during a requested stop is reported instead: the service was
// to end, and must not be restarted.
func (p *program) Execute(args []string, requests <-chan svc.ChangeRequest, changes chan<- svc.Status) (specific bool, code uint32) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var complaints bytes.Buffer
	ended := make(chan int, 1)
	go func() { ended <- p.run(ctx, &complaints) }()
	running := svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptShutdown}
	stopping := svc.Status{State: svc.StopPending, WaitHint: uint32(stopHint.Milliseconds())}
	changes <- running
	var tick <-chan time.Time // nil until the service is to stop
	for {
		select {
		case code := <-ended:
			if code == 0 {
				return false, 0
			}
			p.report(nameOf(args), complaints.String())
			if tick == nil {
				p.exit(code)
			}
			return true, uint32(code)
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				changes <- r.CurrentStatus
			case svc.Stop, svc.Shutdown:
				cancel()
				ticker := time.NewTicker(stopTick)
				defer ticker.Stop()
				tick = ticker.C
				changes <- stopping
			}
		case <-tick:
			stopping.CheckPoint++
			changes <- stopping
		}
	}
}

func nameOf(args []string) string {
	if len(args) == 0 || args[0] == "" {
		return serviceName
	}
	return args[0]
}

// failureEvent is the number of the entry. The source that butler service install
// registers shows the text of entries with a number from 1 to 1000.
const failureEvent = 3

// reportFailure writes to the event log why the service ended: nobody sees what a
// service prints. There is no other place to say that this failed.
func reportFailure(service, complaints string) {
	log, err := eventlog.Open(service)
	if err != nil {
		return
	}
	defer log.Close()
	_ = log.Error(failureEvent, eventText(complaints))
}
