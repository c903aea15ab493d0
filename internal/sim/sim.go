// Package sim owns a complete simulated environment: a Qlik Sense site with its
// repository service, engine and log appenders on one side, and the mail server, web
// hooks, time series database and message broker that alerts go to on the other.
//
// It guarantees that everything listens on free ports of the loopback interface,
// that Stop leaves nothing running, and that the same seed and the same calls
// show the same site. It implements the documented interfaces, so it serves any client
// of them.
//
// It must never import what it is used to test, and never connect to another machine.
package sim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"butler/internal/sim/appender"
	"butler/internal/sim/cert"
	"butler/internal/sim/edge"
	"butler/internal/sim/enginesim"
	"butler/internal/sim/qrssim"
	"butler/internal/sim/sink"
	"butler/internal/sim/world"
)

// Options describe an environment. The zero value is the demo site with plain
// HTTP and MQTT sinks, a mail server that offers STARTTLS, and a QRS over mutual TLS.
type Options struct {
	// Seed is the seed of every part that has none of its own.
	Seed uint64
	// CertDir is where root.pem, client.pem and client_key.pem are written; ""
	// means a temporary directory that Stop removes.
	CertDir string
	World   world.Options
	// QRS describes the repository service. Its World, Authority and (unless set)
	// OnExecution are filled in, so the scheduler announces what a client starts.
	QRS qrssim.Options
	// Engine describes the engine. Its World and Authority are filled in.
	Engine enginesim.Options
	Format appender.Format
	HTTP   sink.HTTPOptions
	SMTP   sink.SMTPOptions
	Influx sink.InfluxOptions
	MQTT   sink.MQTTOptions
	// SecureHTTP and SecureMQTT serve those sinks over TLS, with a certificate of the site's authority.
	SecureHTTP bool
	SecureMQTT bool
}

// Sim is a simulated environment.
type Sim struct {
	World      *world.World
	Authority  *cert.Authority
	QRS        *qrssim.Server
	Engine     *enginesim.Server
	SystemInfo *edge.HTTP
	HTTP       *sink.HTTP
	SMTP       *sink.SMTP
	Influx     *sink.Influx
	MQTT       *sink.MQTT

	options   Options
	scheduler *appender.Scheduler
	files     cert.Files
	temporary string

	mu     sync.Mutex
	target *appender.Appender
}

// ErrNoTarget is returned while no target of datagrams is set; see Aim.
var ErrNoTarget = errors.New("no target for datagrams: call Aim first")

// New returns an environment that does not listen yet.
func New(o Options) (*Sim, error) {
	s := &Sim{options: o.seeded()}
	s.World = world.New(s.options.World)
	s.scheduler = appender.NewScheduler(s.World.Now, s.Announce)
	if err := s.build(); err != nil {
		return nil, fmt.Errorf("build simulation: %w", err)
	}
	return s, nil
}

// seeded returns the options with the common seed for every part that has none.
func (o Options) seeded() Options {
	for _, seed := range []*uint64{&o.World.Seed, &o.QRS.Seed, &o.Engine.Seed, &o.HTTP.Seed, &o.SMTP.Seed, &o.Influx.Seed, &o.MQTT.Seed} {
		if *seed == 0 {
			*seed = o.Seed
		}
	}
	if o.Influx.Databases == nil {
		o.Influx.Databases = []string{"butler"}
	}
	return o
}

func (s *Sim) build() error {
	var err error
	if s.Authority, err = cert.NewAuthority("Simulated Qlik Sense CA"); err != nil {
		return err
	}
	server, err := s.Authority.ServerTLS()
	if err != nil {
		return err
	}
	o := s.options
	o.QRS.World, o.QRS.Authority = s.World, s.Authority
	if o.QRS.OnExecution == nil {
		o.QRS.OnExecution = s.scheduler.Follow
	}
	if s.QRS, err = qrssim.New(o.QRS); err != nil {
		return err
	}
	o.Engine.World, o.Engine.Authority = s.World, s.Authority
	if s.Engine, err = enginesim.New(o.Engine); err != nil {
		return err
	}
	if s.SystemInfo, err = qrssim.NewSystemInfo(s.World, s.Authority); err != nil {
		return err
	}
	if o.SecureHTTP {
		o.HTTP.TLS = server
	}
	if o.SecureMQTT {
		o.MQTT.TLS = server
	}
	if o.SMTP.TLS == nil {
		o.SMTP.TLS = server
	}
	s.HTTP, s.SMTP, s.Influx, s.MQTT = sink.NewHTTP(o.HTTP), sink.NewSMTP(o.SMTP), sink.NewInflux(o.Influx), sink.NewMQTT(o.MQTT)
	return nil
}

// part is anything that listens.
type part interface {
	Start() error
	Stop()
}

func (s *Sim) parts() []part {
	return []part{s.QRS, s.Engine, s.SystemInfo, s.HTTP, s.SMTP, s.Influx, s.MQTT}
}

// Start writes the client certificate and opens every port. After an error nothing listens.
func (s *Sim) Start() error {
	if err := s.writeCertificates(); err != nil {
		return err
	}
	for _, p := range s.parts() {
		if err := p.Start(); err != nil {
			s.Stop()
			return fmt.Errorf("start simulation: %w", err)
		}
	}
	return nil
}

func (s *Sim) writeCertificates() error {
	dir := s.options.CertDir
	if dir == "" {
		temporary, err := os.MkdirTemp("", "sim-cert-")
		if err != nil {
			return fmt.Errorf("make certificate directory: %w", err)
		}
		dir, s.temporary = temporary, temporary
	}
	files, err := s.Authority.WriteClient(dir)
	s.files = files
	return err
}

// Stop closes every port and waits until everything has ended. It cannot be started again.
func (s *Sim) Stop() {
	s.scheduler.Stop()
	for _, p := range s.parts() {
		p.Stop()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.target != nil {
		_ = s.target.Close()
		s.target = nil
	}
	if s.temporary != "" {
		_ = os.RemoveAll(s.temporary)
	}
}

// Certificates returns the files of a client identity that the QRS accepts.
func (s *Sim) Certificates() cert.Files { return s.files }

// Aim sets the UDP address that datagrams go to from now on.
func (s *Sim) Aim(address string) error {
	target, err := appender.Dial(address, s.options.Format)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.target != nil {
		_ = s.target.Close()
	}
	s.target = target
	return nil
}

func (s *Sim) aimed() (*appender.Appender, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.target == nil {
		return nil, ErrNoTarget
	}
	return s.target, nil
}

// Announce sends one event, now.
func (s *Sim) Announce(e appender.Event) error {
	target, err := s.aimed()
	if err != nil {
		return err
	}
	return target.Send(e)
}

// Run starts a task in the world and announces its end when it comes.
func (s *Sim) Run(taskID string, outcome world.Outcome) (world.Execution, error) {
	execution, err := s.World.Start(taskID, outcome)
	if err == nil {
		s.scheduler.Follow(execution)
	}
	return execution, err
}

// Play sends a scenario about this world to the target. World, Format and, if 0, the
// seed of the scenario are filled in.
func (s *Sim) Play(ctx context.Context, scenario appender.Scenario) (appender.Report, error) {
	target, err := s.aimed()
	if err != nil {
		return appender.Report{}, err
	}
	scenario.World, scenario.Format = s.World, s.options.Format
	if scenario.Seed == 0 {
		scenario.Seed = s.options.Seed
	}
	return scenario.Send(ctx, target.SendRaw)
}
