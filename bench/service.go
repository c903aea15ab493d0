package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"butler/config"
	"butler/internal/app"
	"butler/internal/demo"
	"butler/internal/qlik"
	"butler/internal/sim"
	"butler/internal/sim/qrssim"
	"butler/internal/sim/sink"
	"butler/internal/sim/world"
	"butler/messages"
)

// AsService sets this process up as the service sets up its own.
func AsService() { app.TuneRuntime() }

// Service is the whole service in this process, beside a simulated site whose
// tasks are those of a Flood, with one webhook as its destination.
type Service struct {
	app       *app.App
	site      *sim.Sim
	directory string
	settled   atomic.Int64

	mu       sync.Mutex
	received map[string]time.Time
}

// ServiceOptions say what the service does.
type ServiceOptions struct {
	// Latency is how long the QRS takes to answer.
	Latency time.Duration
	// Deaf switches the webhook's address to one that refuses connections, so
	// that decisions are recorded and nothing is delivered.
	Deaf bool
	// Extra returns what is added to the configuration, for a site at an address;
	// nil means many attempts at once.
	Extra func(address string) string
}

// NewService starts it.
func NewService(o ServiceOptions) (*Service, error) {
	s := &Service{received: map[string]time.Time{}}
	var err error
	if s.directory, err = os.MkdirTemp("", "butler-bench-"); err != nil {
		return nil, err
	}
	s.site, err = sim.New(sim.Options{
		Seed: 1, CertDir: s.directory, World: world.Options{Tasks: 200},
		QRS:  qrssim.Options{Latency: o.Latency, History: 1},
		HTTP: sink.HTTPOptions{OnRequest: s.onRequest, History: 1},
	})
	if err != nil {
		return nil, err
	}
	if err := s.site.Start(); err != nil {
		return nil, err
	}
	if o.Deaf {
		if err := s.site.HTTP.Refuse(true); err != nil {
			return nil, err
		}
	}
	extra := "  delivery: {maxInFlight: 64}"
	if o.Extra != nil {
		extra = o.Extra(s.site.HTTP.URL())
	}
	path, err := demo.WriteConfig(s.site, demo.Settings{
		Directory: s.directory, LogLevel: "error", Off: []string{"email", "slack", "influxdb", "disklog"},
		Extra: extra,
	})
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(config.Options{Path: path, Schemas: app.Schemas()})
	if err != nil {
		return nil, err
	}
	s.app, err = app.New(app.Options{Config: cfg, Log: zap.NewNop(), OnSettled: func(messages.NoticeSettled) { s.settled.Add(1) }})
	if err != nil {
		return nil, err
	}
	return s, s.app.Start(context.Background())
}

func (s *Service) onRequest(r sink.HTTPRequest) {
	var body struct{ ExecutionID string }
	if !strings.HasPrefix(r.Path, "/hook/") || json.Unmarshal(r.Body, &body) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, seen := s.received[body.ExecutionID]; !seen {
		s.received[body.ExecutionID] = r.At
	}
}

// Tasks returns n reload tasks of the site.
func (s *Service) Tasks(n int) []Task {
	var out []Task
	for i := 0; len(out) < n; i++ {
		id, ok := s.site.World.TaskOfType(qlik.TaskReload, i)
		if !ok {
			break
		}
		if task, known := s.site.World.Task(id); known && task.App != nil {
			out = append(out, Task{ID: id, AppID: task.App.ID})
		}
	}
	return out
}

// Addr returns where events are received.
func (s *Service) Addr() netip.AddrPort { return s.app.UDPAddress() }

// Received returns when the webhook was called about an execution.
func (s *Service) Received(executionID string) (time.Time, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.received[executionID]
	return at, ok
}

// Count returns how many executions the webhook was called about.
func (s *Service) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.received)
}

// Waiting returns how many notices are recorded and not delivered.
func (s *Service) Waiting() int {
	_, notices := s.app.Backlog()
	return notices
}

// Close stops the service and the site, and removes what they left.
func (s *Service) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.app.Stop(ctx)
	s.site.Stop()
	if err := os.RemoveAll(s.directory); err != nil {
		return fmt.Errorf("remove the directory of the benchmark: %w", err)
	}
	return err
}
