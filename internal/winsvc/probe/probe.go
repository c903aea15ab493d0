// Package probe owns the query of the Windows services of a host, the comparison with
// the last known states, and the memory of these.
//
// It guarantees that every report contains a change until a report with it was taken,
// and none does after that; that a service that cannot be queried does not hide the
// others; and that such a failure is logged once until it is over. The memory survives
// a reload of the configuration. It must never decide when to query or who is alerted.
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

// Host is a machine and its services to watch.
type Host struct {
	Name     string
	Services []winsvc.Configured
}

// Options configure a probe. All are required.
type Options struct {
	Host    Host
	Manager winsvc.Manager
	Damping winsvc.Damping
	Log     *zap.Logger
	Metrics *winsvc.Metrics
	// Memory is shared by the probes of all hosts.
	Memory *Memory
}

// Probe queries one host and reports what has changed since the last report that was taken.
type Probe struct {
	opts  Options
	names []string
}

// New returns a probe. It queries nothing yet.
func New(o Options) *Probe {
	o.Log = o.Log.With(zap.String("host", o.Host.Name))
	p := &Probe{opts: o}
	for _, s := range o.Host.Services {
		p.names = append(p.names, s.Name)
		o.Metrics.Expect(o.Host.Name, s.Name)
	}
	return p
}

// Report is the result of a query.
type Report struct {
	Alerts []messages.Alert
	// Trouble lists the services that could not be queried and why, "" without any.
	Trouble string
	// Taken is to be called when the alerts have been handed over: they are not reported
	// again then.
	Taken func()
}

// Look queries the host. at is the time of the observation. An error means that the
// host did not answer at all.
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
			p.noteFailure(s, &known, err)
			troubles = append(troubles, s.Name+": "+err.Error())
		} else {
			report.Alerts = append(report.Alerts, p.alertsOf(s, &known, at, answers[i].Service)...)
		}
		seen[key] = known
	}
	report.Trouble = strings.Join(troubles, "; ")
	report.Taken = func() { p.opts.Memory.note(seen, p.opts.Metrics) }
	return report, nil
}

// noteFailure notes that a service could not be queried. A failure is logged once until
// it changes.
func (p *Probe) noteFailure(s winsvc.Configured, known *remembered, err error) {
	known.state = winsvc.Unknown
	if errors.Is(err, winsvc.ErrNoSuchService) {
		known.watch.Missing()
	}
	if known.failure == err.Error() {
		return
	}
	known.failure = err.Error()
	p.opts.Log.Error("the state of a Windows service is not known", zap.String("service", s.Name), logx.Err(err))
}

// alertsOf returns the alerts for the state of a service: for the change, if it is to be
// alerted, and for the state itself.
func (p *Probe) alertsOf(s winsvc.Configured, known *remembered, at time.Time, got winsvc.Service) []messages.Alert {
	log := p.opts.Log.With(zap.String("service", s.Name), zap.Stringer("state", got.State))
	if known.failure != "" {
		known.failure = ""
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
	service := s.Told(p.opts.Host.Name, got)
	var out []messages.Alert
	if change.Kind != "" {
		changed := service
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
	return append(out, messages.Alert{Kind: messages.ServiceStatus, Service: service})
}

// Memory holds the last known states of the Windows services of all hosts. It outlives
// the probes: after a reload of the configuration no change is reported twice, and one
// that happened meanwhile is not missed. It is safe for concurrent use; the zero value
// is empty.
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
	// failure is why the last query failed, "" when it did not.
	failure  string
	unsteady bool
}

func (m *Memory) of(key id) remembered {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.known[key.folded()]
	known.key = key
	return known
}

// note stores the states of a report.
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

// Keep removes the services that are not among those of hosts, also from the metrics,
// which would otherwise show their last state forever.
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
		if !watched[s.key] { // a name in other case is another metric label, too
			metrics.Unknown(s.key.host, s.key.name)
		}
		if !still[folded] {
			delete(m.known, folded)
		}
	}
}
