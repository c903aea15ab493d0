package probe_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"butler/internal/winsvc"
	"butler/internal/winsvc/probe"
	"butler/internal/winsvc/winsvctest"
	"butler/messages"
)

var noon = time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)

// site is a host with two services, which both run at first.
type site struct {
	t      *testing.T
	hosts  winsvctest.Hosts
	memory probe.Memory
	logs   *observer.ObservedLogs
	looks  int
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t}
	s.set("Engine", winsvc.Running)
	s.set("Proxy", winsvc.Running)
	return s
}

func (s *site) set(name string, state winsvc.State) {
	s.hosts.Set("sense-1", name, winsvc.Service{State: state})
}

var host = probe.Host{Name: "sense-1", Services: []winsvc.Configured{{Name: "Engine"}, {Name: "Proxy"}}}

// probe returns a new probe with the memory of the site.
func (s *site) probe() *probe.Probe {
	core, logs := observer.New(zap.InfoLevel)
	s.logs = logs
	return probe.New(probe.Options{Host: host, Manager: &s.hosts, Log: zap.New(core), Metrics: winsvc.NewMetrics(nil), Memory: &s.memory})
}

// look queries the host and returns the changes with the report.
func (s *site) look(p *probe.Probe) (changes string, report probe.Report) {
	s.t.Helper()
	s.looks++
	report, err := p.Look(s.t.Context(), noon.Add(time.Duration(s.looks)*time.Minute))
	if err != nil {
		s.t.Fatal(err)
	}
	var told []string
	for _, a := range report.Alerts {
		if a.Kind != messages.ServiceStatus {
			told = append(told, string(a.Kind)+" "+a.Service.Name)
		}
	}
	return strings.Join(told, ", "), report
}

func TestLook_reportsAChangeUntilItsReportIsTaken(t *testing.T) {
	s := newSite(t)
	p := s.probe()
	_, first := s.look(p)
	first.Taken()
	s.set("Engine", winsvc.Stopped)
	const want = string(messages.ServiceStopped) + " Engine"
	if changes, _ := s.look(p); changes != want {
		t.Errorf("want %q, got %q", want, changes)
	}
	changes, report := s.look(s.probe()) // a new probe has the states of the previous one
	if changes != want {
		t.Errorf("want %q again, since nobody has taken it, got %q", want, changes)
	}
	report.Taken()
	if changes, _ := s.look(s.probe()); changes != "" {
		t.Errorf("want what was taken not notified again, got %q", changes)
	}
}

func TestLook_aServiceThatCannotBeQueriedDoesNotAffectTheOthers(t *testing.T) {
	s := newSite(t)
	p := s.probe()
	_, report := s.look(p)
	report.Taken()
	s.hosts.Refuse("sense-1", "Engine", errors.New("access is denied"))
	s.set("Proxy", winsvc.Stopped)
	for range 2 {
		_, report = s.look(p)
		if len(report.Alerts) == 0 || report.Alerts[0].Service.Name != "Proxy" || report.Trouble != "Engine: access is denied" {
			t.Errorf("want news of the proxy, and the trouble with the engine, got %+v", report)
		}
		report.Taken()
	}
	if n := s.logs.FilterMessage("the state of a Windows service is not known").Len(); n != 1 {
		t.Errorf("want the trouble logged once, got %d lines", n)
	}
}

func TestKeep_removesServicesThatAreNotWatched(t *testing.T) {
	s := newSite(t)
	s.set("Engine", winsvc.Stopped)
	_, report := s.look(s.probe())
	report.Taken()
	s.memory.Keep([]probe.Host{{Name: "sense-1", Services: []winsvc.Configured{{Name: "Proxy"}}}}, winsvc.NewMetrics(nil))
	const want = string(messages.ServiceStopped) + " Engine"
	if changes, _ := s.look(s.probe()); changes != want {
		t.Errorf("want the engine told of like one that is new, got %q", changes)
	}
}
