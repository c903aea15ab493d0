package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"butler/config"
	"butler/internal/app"
	"butler/internal/logx"
	"butler/internal/qlik"
	"butler/internal/sim"
	"butler/internal/sim/appender"
	"butler/internal/sim/edge"
	"butler/internal/sim/world"
	"butler/messages"
)

// Options configure the demo.
type Options struct {
	// Out receives the output.
	Out io.Writer
	// For is the duration of the demo; 0 means until ctx ends.
	For time.Duration
	// Colour writes colours for a terminal.
	Colour bool
	// Seed decides which tasks run, and how they end.
	Seed uint64
	// Pause is the time between two events; 0 means one second.
	Pause time.Duration
	// Listening, if set, is called with the addresses of the service.
	Listening func(udp, operations string)
}

// drainTime is how long the end of the demo waits for events and notices in progress.
const drainTime = 10 * time.Second

// Run shows the service at work until ctx ends or the time is over, and then sums up
// the notices by destination.
func Run(ctx context.Context, o Options) error {
	if o.Pause == 0 {
		o.Pause = time.Second
	}
	directory, err := os.MkdirTemp("", "butler-demo-")
	if err != nil {
		return fmt.Errorf("make a directory for the demo: %w", err)
	}
	defer os.RemoveAll(directory)
	site, err := sim.New(sim.Options{Seed: o.Seed, CertDir: directory})
	if err != nil {
		return err
	}
	if err := site.Start(); err != nil {
		return err
	}
	defer site.Stop()
	show := &show{screen: screen{out: o.Out, colour: o.Colour}, site: site, tally: tally{}, pick: rand.New(rand.NewPCG(o.Seed, 1))}
	service, err := startService(ctx, site, directory, show)
	if err != nil {
		return err
	}
	show.introduce(service)
	if o.Listening != nil {
		o.Listening(service.UDPAddress().String(), service.OperationsAddress())
	}
	acting, cancel := context.WithCancel(ctx)
	if o.For > 0 {
		acting, cancel = context.WithTimeout(ctx, o.For)
	}
	defer cancel()
	show.act(acting, o.Pause)
	stopping, cancelStop := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancelStop()
	show.drain(stopping, service)
	err = service.Stop(stopping)
	show.conclude()
	return err
}

// startService starts the service with a configuration file, as an operator would.
func startService(ctx context.Context, site *sim.Sim, directory string, s *show) (*app.App, error) {
	path, err := WriteConfig(site, Settings{Directory: directory, RateLimit: 6, PollEvery: "2s", LogLevel: "warn", With: Further})
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(config.Options{Path: path, Schemas: app.Schemas()})
	if err != nil {
		return nil, err
	}
	service, err := app.New(app.Options{Config: cfg, Log: zap.New(logx.Sink(s.warned)), OnSettled: s.settled})
	if err != nil {
		return nil, err
	}
	if err := service.Start(ctx); err != nil {
		return nil, err
	}
	return service, site.Aim(service.UDPAddress().String())
}

// show is a running demo.
type show struct {
	screen
	site *sim.Sim
	pick *rand.Rand

	mu     sync.Mutex
	tally  tally
	events int
}

// acts are the events, repeated in this order: every type of task, and the same failure
// twice, so that the second alert is suppressed.
var acts = []struct {
	typ     qlik.TaskType
	n       int
	outcome func() world.Outcome
	family  messages.Family
}{
	{qlik.TaskReload, 0, world.Fail, messages.FamilyFailed},
	{qlik.TaskReload, 1, world.Succeed, messages.FamilySucceeded},
	{qlik.TaskReload, 0, world.Fail, messages.FamilyFailed},
	{qlik.TaskDistribute, 0, world.Succeed, messages.FamilyDistribute},
	{qlik.TaskReload, 2, world.Abort, messages.FamilyAborted},
	{qlik.TaskExternalProgram, 0, world.Fail, messages.FamilyFailed},
	{qlik.TaskPreload, 0, world.Succeed, messages.FamilySucceeded},
	{qlik.TaskUserSync, 0, world.Succeed, messages.FamilySucceeded},
	{qlik.TaskReload, 3, world.Fail, messages.FamilyFailed},
	{qlik.TaskPreload, 0, world.Fail, messages.FamilyFailed},
}

// act ends one task after the other, until ctx ends.
func (s *show) act(ctx context.Context, pause time.Duration) {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for n := 0; ctx.Err() == nil; n++ {
		s.interlude(n)
		if err := s.event(n); err != nil {
			s.line(red, "the event could not be sent: %v", err)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// event ends one execution in the simulated site and sends its datagram.
func (s *show) event(n int) error {
	a := acts[n%len(acts)]
	id, ok := s.site.World.TaskOfType(a.typ, a.n)
	if !ok {
		id, _ = s.site.World.TaskOfType(a.typ, 0)
	}
	outcome := a.outcome()
	outcome.Duration = time.Duration(20+s.pick.IntN(200)) * time.Second
	execution, err := s.site.World.Run(id, outcome, s.site.World.Now().Add(-outcome.Duration-time.Second))
	if err != nil {
		return err
	}
	task, _ := s.site.World.Task(id)
	s.mu.Lock()
	s.events++
	s.mu.Unlock()
	ended := a.family.String()
	if a.family == messages.FamilyDistribute {
		ended = "ended" // its event does not say how
	}
	s.line(bold, "● %-22s %q on %s", a.typ.String()+" "+ended, task.Name, execution.Node)
	return s.site.Announce(appender.EventOf(execution, appender.TypeOf(a.family), time.Now()))
}

// interlude breaks a destination for a while, to show that no other is affected and
// nothing is lost.
func (s *show) interlude(n int) {
	const every, long = 10, 3
	switch n % every {
	case 7:
		s.line(yellow, "◌ the ticket system now answers 503 to every call")
		s.site.HTTP.Faults().Set(edge.Rule{Name: "outage", Kind: edge.Status, Status: 503, PathPrefix: "/hook"})
	case (7 + long) % every:
		if n > long {
			s.line(yellow, "◌ the ticket system works again")
			s.site.HTTP.Faults().Remove("outage")
		}
	}
}

// calm is how long the backlog has to be empty before the last datagram counts as
// received and handled.
const calm = 200 * time.Millisecond

// drain waits until nothing is left to decide or send.
func (s *show) drain(ctx context.Context, service *app.App) {
	s.site.HTTP.Faults().Clear()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	idle := time.Now()
	for time.Since(idle) < calm {
		if events, notices := service.Backlog(); events > 0 || notices > 0 {
			idle = time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// settled shows the outcome of a notice.
func (s *show) settled(n messages.NoticeSettled) {
	s.mu.Lock()
	s.tally.count(n)
	s.mu.Unlock()
	to := n.Recipient
	if to != "" {
		to = " to " + to
	}
	switch n.Outcome {
	case messages.NoticeDelivered:
		again := ""
		if n.Attempts > 1 {
			again = fmt.Sprintf(" at attempt %d", n.Attempts)
		}
		s.line(green, "    → %s%s%s", n.Instance, to, again)
	case messages.NoticeSuppressed:
		s.line(grey, "    ⋯ %s%s suppressed: %s", n.Instance, to, n.Reason)
	case messages.NoticeParked:
		s.line(red, "    ✗ %s%s parked: %s", n.Instance, to, n.Reason)
	}
}

// warned shows a warning of the service: its message, and after a blank its fields as
// the members of a JSON object, of which people want to see these.
func (s *show) warned(line string) {
	message, members, _ := strings.Cut(line, ` "`)
	var fields struct{ Destination, Err string }
	if json.Unmarshal([]byte(`{"`+members+"}"), &fields) == nil {
		parts := slices.DeleteFunc([]string{fields.Destination, message, fields.Err}, func(part string) bool { return part == "" })
		line = strings.Join(parts, ": ")
	}
	s.line(grey, "    ! %s", line)
}
