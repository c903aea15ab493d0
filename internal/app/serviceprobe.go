package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"butler/actors/monitor"
	"butler/config"
	"butler/internal/logx"
	"butler/internal/winsvc"
	"butler/messages"
)

// serviceProbe asks one host and tells what has changed since the last report
// that was taken.
type serviceProbe struct {
	host     string
	services []winsvc.Configured
	names    []string
	manager  winsvc.Manager
	damping  winsvc.Damping
	log      *zap.Logger
	metrics  *winsvc.Metrics
	memory   *serviceMemory
}

func newServiceProbe(host config.ServiceHost, manager winsvc.Manager, damping winsvc.Damping, log *zap.Logger, metrics *winsvc.Metrics, memory *serviceMemory) *serviceProbe {
	p := &serviceProbe{
		host: host.Host, manager: manager, damping: damping, log: log.With(zap.String("host", host.Host)),
		metrics: metrics, memory: memory,
	}
	for _, s := range host.Services {
		p.services = append(p.services, winsvc.Configured(s))
		p.names = append(p.names, s.Name)
		metrics.Expect(p.host, s.Name)
	}
	return p
}

// look implements monitor.Probe.
func (p *serviceProbe) look(ctx context.Context, at time.Time) (monitor.Report, error) {
	answers, err := p.manager.Query(ctx, p.host, p.names)
	if err != nil {
		for _, name := range p.names {
			p.metrics.Unknown(p.host, name)
		}
		return monitor.Report{}, fmt.Errorf("ask %s for its services: %w", p.host, err)
	}
	var report monitor.Report
	var troubles []string
	seen := map[serviceKey]rememberedService{}
	for i := range min(len(p.services), len(answers)) {
		s, key := p.services[i], serviceKey{p.host, p.services[i].Name}
		known := p.memory.of(key)
		if err := answers[i].Err; err != nil {
			p.unanswered(s, &known, err)
			troubles = append(troubles, s.Name+": "+err.Error())
		} else {
			report.Alerts = append(report.Alerts, p.observed(s, &known, at, answers[i].Service)...)
		}
		seen[key] = known
	}
	report.Trouble = strings.Join(troubles, "; ")
	report.Taken = func() { p.memory.note(seen, p.metrics) }
	return report, nil
}

// unanswered notes that there is no news of a service. It is logged once, until
// there is.
func (p *serviceProbe) unanswered(s winsvc.Configured, known *rememberedService, err error) {
	known.state = winsvc.Unknown
	if errors.Is(err, winsvc.ErrNoSuchService) {
		known.watch.Missing()
	}
	if known.trouble == err.Error() {
		return
	}
	known.trouble = err.Error()
	p.log.Error("the state of a Windows service is not known", zap.String("service", s.Name), logx.Err(err))
}

// observed returns what is told of the state of a service: a change, if it is one
// to tell, and then the state itself.
func (p *serviceProbe) observed(s winsvc.Configured, known *rememberedService, at time.Time, got winsvc.Service) []messages.Alert {
	log := p.log.With(zap.String("service", s.Name), zap.Stringer("state", got.State))
	if known.trouble != "" {
		known.trouble = ""
		log.Info("the state of a Windows service is known again")
	}
	known.state = got.State
	change := known.watch.Observe(at, got.State, p.damping)
	if change.Unsteady != known.unsteady {
		known.unsteady = change.Unsteady
		if known.unsteady {
			log.Warn("a Windows service starts and stops all the time: its changes are not told until it comes to rest")
		} else {
			log.Info("a Windows service has come to rest")
		}
	}
	told := s.Told(p.host, got)
	var out []messages.Alert
	if change.Kind != "" {
		changed := told
		changed.PreviousStatus = change.Previous
		p.metrics.Changed(p.host, s.Name, change.Kind)
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

// serviceMemory is what is known of the Windows services of all hosts. It outlives
// the probes, so that a changed configuration makes nobody forget anything: who
// was told of is not told of again, and what changes meanwhile is. It is safe for
// concurrent use; the zero value is empty.
type serviceMemory struct {
	mu    sync.Mutex
	known map[serviceKey]rememberedService
}

// serviceKey is a service as the configuration names it.
type serviceKey struct{ host, name string }

func (k serviceKey) folded() serviceKey {
	return serviceKey{strings.ToLower(k.host), strings.ToLower(k.name)}
}

type rememberedService struct {
	key   serviceKey
	watch winsvc.Watch
	state winsvc.State
	// trouble is why the last question about it had no answer, "" when it had one.
	trouble  string
	unsteady bool
}

func (m *serviceMemory) of(key serviceKey) rememberedService {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.known[key.folded()]
	known.key = key
	return known
}

// note takes in what a report said.
func (m *serviceMemory) note(seen map[serviceKey]rememberedService, metrics *winsvc.Metrics) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[serviceKey]rememberedService{}
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

// keep forgets all services but those that are watched: nobody tells their state
// any more, and nothing may go on saying that one of them is stopped.
func (m *serviceMemory) keep(section config.ServiceMonitor, metrics *winsvc.Metrics) {
	watched := map[serviceKey]bool{}
	if section.Enable {
		for _, host := range serviceHosts(section.Hosts) {
			for _, s := range host.Services {
				watched[serviceKey{host.Host, s.Name}] = true
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	still := map[serviceKey]bool{}
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
