// Package probe owns the look at the Windows services of a host: whom it asks, what
// that tells compared with the look before, and what is remembered in between.
//
// It guarantees that a change is told by every look until its report was taken, and
// by none after that; that a service which does not answer hides no other one; and
// that trouble with a service is logged once, until it is over. What is remembered
// outlives a changed configuration. It must never decide when to look, or whom to
// tell.
package probe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"butler/internal/logx"
	"butler/internal/winsvc"
	"butler/messages"
)

// Host is a machine with the services of it that are watched.
type Host struct {
	Name     string
	Services []winsvc.Configured
}

// Options say what is watched, and how. All are required.
type Options struct {
	Host    Host
	Manager winsvc.Manager
	Damping winsvc.Damping
	Log     *zap.Logger
	Metrics *winsvc.Metrics
	// Memory is shared by the probes of all hosts.
	Memory *Memory
}

// Probe asks one host and tells what has changed since the last report that was taken.
type Probe struct {
	opts  Options
	names []string
}

// New returns a probe. Nobody is asked yet.
func New(o Options) *Probe {
	o.Log = o.Log.With(zap.String("host", o.Host.Name))
	p := &Probe{opts: o}
	for _, s := range o.Host.Services {
		p.names = append(p.names, s.Name)
		o.Metrics.Expect(o.Host.Name, s.Name)
	}
	return p
}

// Report is what a look finds.
type Report struct {
	Alerts []messages.Alert
	// Trouble says which services did not answer and why, "" when all did.
	Trouble string
	// Taken is to be called when the alerts cannot be lost any more.
	Taken func()
}

// Look asks the host. at is the time that counts.
func (p *Probe) Look(ctx context.Context, at time.Time) (Report, error) {
	answers, err := p.opts.Manager.Query(ctx, p.opts.Host.Name, p.names)
	if err != nil {
		for _, name := range p.names {
			p.opts.Metrics.Unknown(p.opts.Host.Name, name)
		}
		return Report{}, fmt.Errorf("ask %s for its services: %w", p.opts.Host.Name, err)
	}
	var report Report
	var troubles []string
	seen := map[id]remembered{}
	for i := range min(len(p.opts.Host.Services), len(answers)) {
		s, key := p.opts.Host.Services[i], id{p.opts.Host.Name, p.opts.Host.Services[i].Name}
		known := p.opts.Memory.of(key)
		if err := answers[i].Err; err != nil {
			p.unanswered(s, &known, err)
			troubles = append(troubles, s.Name+": "+err.Error())
		} else {
			report.Alerts = append(report.Alerts, p.observed(s, &known, at, answers[i].Service)...)
		}
		seen[key] = known
	}
	report.Trouble = strings.Join(troubles, "; ")
	report.Taken = func() { p.opts.Memory.note(seen, p.opts.Metrics) }
	return report, nil
}

// unanswered notes that there is no news of a service. It is logged once, until
// there is.
func (p *Probe) unanswered(s winsvc.Configured, known *remembered, err error) {
	known.state = winsvc.Unknown
	if errors.Is(err, winsvc.ErrNoSuchService) {
		known.watch.Missing()
	}
	if known.trouble == err.Error() {
		return
	}
	known.trouble = err.Error()
	p.opts.Log.Error("the state of a Windows service is not known", zap.String("service", s.Name), logx.Err(err))
}

// observed returns what is told of the state of a service: a change, if it is one
// to tell, and then the state itself.
func (p *Probe) observed(s winsvc.Configured, known *remembered, at time.Time, got winsvc.Service) []messages.Alert {
	log := p.opts.Log.With(zap.String("service", s.Name), zap.Stringer("state", got.State))
	if known.trouble != "" {
		known.trouble = ""
		log.Info("the state of a Windows service is known again")
	}
	known.state = got.State
	change := known.watch.Observe(at, got.State, p.opts.Damping)
	if change.Unsteady != known.unsteady {
		known.unsteady = change.Unsteady
		if known.unsteady {
			log.Warn("a Windows service is flapping: its changes are not alerted until its state is stable")
		} else {
			log.Info("the state of a flapping Windows service is stable again")
		}
	}
	told := s.Told(p.opts.Host.Name, got)
	var out []messages.Alert
	if change.Kind != "" {
		changed := told
		changed.PreviousStatus = change.Previous
		p.opts.Metrics.Changed(p.opts.Host.Name, s.Name, change.Kind)
		out = append(out, messages.Alert{Kind: change.Kind, Service: changed})
	}
	switch {
	case change.Kind == messages.ServiceStopped:
		log.Warn("a Windows service has stopped")
	case change.Kind == messages.ServiceStarted:
		log.Info("a Windows service has started")
	case change.Settled:
		log.Info("a Windows service has changed its state")
	}
	return append(out, messages.Alert{Kind: messages.ServiceStatus, Service: told})
}

// Memory is what is known of the Windows services of all hosts. It outlives
// the probes, so that a changed configuration makes nobody forget anything: who
// was told of is not told of again, and what changes meanwhile is. It is safe for
// concurrent use; the zero value is empty.
type Memory struct {
	mu    sync.Mutex
	known map[id]remembered
}

// id is a service as the configuration names it.
type id struct{ host, name string }

func (k id) folded() id {
	return id{strings.ToLower(k.host), strings.ToLower(k.name)}
}

type remembered struct {
	key   id
	watch winsvc.Watch
	state winsvc.State
	// trouble is why the last question about it had no answer, "" when it had one.
	trouble  string
	unsteady bool
}

func (m *Memory) of(key id) remembered {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.known[key.folded()]
	known.key = key
	return known
}

// note takes in what a report said.
func (m *Memory) note(seen map[id]remembered, metrics *winsvc.Metrics) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[id]remembered{}
	}
	for key, s := range seen {
		m.known[key.folded()] = s
		if s.state == winsvc.Unknown {
			metrics.Unknown(key.host, key.name)
		} else {
			metrics.Seen(key.host, key.name, s.state)
		}
	}
}

// Keep forgets all services but those of these hosts: nobody tells their state
// any more, and nothing may go on saying that one of them is stopped.
func (m *Memory) Keep(hosts []Host, metrics *winsvc.Metrics) {
	watched := map[id]bool{}
	for _, host := range hosts {
		for _, s := range host.Services {
			watched[id{host.Name, s.Name}] = true
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	still := map[id]bool{}
	for key := range watched {
		still[key.folded()] = true
	}
	for folded, s := range m.known {
		if !watched[s.key] { // or written another way, which makes another label
			metrics.Unknown(s.key.host, s.key.name)
		}
		if !still[folded] {
			delete(m.known, folded)
		}
	}
}
