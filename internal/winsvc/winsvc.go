// Package winsvc owns the monitoring of Windows services: the port to service control
// managers (Manager), and the state machine that decides which change of state is
// alerted (Watch).
//
// It guarantees that a service that cannot be queried does not affect the others, that
// a change is alerted once and only between settled states, and that a flapping service
// is alerted again when its state is stable. It must never read a clock or query a host
// itself.
package winsvc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"butler/messages"
)

// State is the state of a service. The numbers are those of Windows.
type State int

// The states of the service control manager.
const (
	Unknown         State = 0
	Stopped         State = 1
	StartPending    State = 2
	StopPending     State = 3
	Running         State = 4
	ContinuePending State = 5
	PausePending    State = 6
	Paused          State = 7
)

var stateNames = [...]string{
	Unknown: "UNKNOWN", Stopped: "STOPPED", StartPending: "START_PENDING", StopPending: "STOP_PENDING",
	Running: "RUNNING", ContinuePending: "CONTINUE_PENDING", PausePending: "PAUSE_PENDING", Paused: "PAUSED",
}

// String returns the name that Windows has for the state.
func (s State) String() string {
	if s < 0 || int(s) >= len(stateNames) {
		return stateNames[Unknown]
	}
	return stateNames[s]
}

// Settled reports whether the state is not a transition to another one.
func (s State) Settled() bool { return s == Running || s == Stopped || s == Paused }

// The start types, as alerts name them.
const (
	Automatic        = "Automatic"
	AutomaticDelayed = "Automatic (delayed start)"
	Manual           = "Manual"
	Disabled         = "Disabled"
	Boot             = "Boot"
	System           = "System"
)

// Service is a service as its service control manager describes it. Its texts have no
// control characters and a bounded length.
type Service struct {
	State        State
	DisplayName  string
	StartType    string
	ExePath      string
	Dependencies []string
}

// Answer is the result of a query for one service.
type Answer struct {
	// Name is the queried name.
	Name    string
	Service Service
	// Err says why there is no Service: ErrNoSuchService, or the error of the host.
	Err error
}

// Manager queries service control managers.
type Manager interface {
	// Query asks one host for services by name. The answers are in the order of the
	// names; with an error there are none. It returns when ctx ends, even if the system
	// call behind it does not.
	Query(ctx context.Context, host string, names []string) ([]Answer, error)
}

// ErrNoSuchService is the error for a service that does not exist on the host.
var ErrNoSuchService = errors.New("the host has no service of this name")

// Configured is a service as the configuration names it.
type Configured struct{ Name, FriendlyName string }

// Told returns the service as it is part of alerts.
func (c Configured) Told(host string, s Service) messages.Service {
	return messages.Service{
		Host: host, Name: c.Name, FriendlyName: c.FriendlyName, DisplayName: s.DisplayName,
		StartType: s.StartType, ExePath: s.ExePath, Dependencies: s.Dependencies, Status: s.State.String(),
	}
}

// The limits of Windows for names.
const (
	maxHost    = 255
	maxService = 256
)

// CheckHost returns what is wrong with the name of a host, nil when it is valid.
func CheckHost(host string) error {
	if host == "" {
		return errors.New("is empty")
	}
	if len(host) > maxHost {
		return fmt.Errorf("is longer than %d characters", maxHost)
	}
	for _, r := range host {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-', r == ':':
		default:
			return fmt.Errorf("has the character %q, which no host name has", r)
		}
	}
	return nil
}

// CheckService returns what is wrong with the name of a service, nil when it is valid.
func CheckService(name string) error {
	if name == "" {
		return errors.New("is empty")
	}
	if len([]rune(name)) > maxService {
		return fmt.Errorf("is longer than %d characters", maxService)
	}
	for _, r := range name {
		if r < ' ' || r == 0x7f || r == '/' || r == '\\' {
			return fmt.Errorf("has the character %q, which no name of a service has", r)
		}
	}
	return nil
}

// Damping says when a service counts as flapping. The zero value disables damping.
type Damping struct {
	// A service with more than Changes changes within Within is flapping: its changes
	// are not alerted until its state has been the same for Quiet.
	Changes int
	Within  time.Duration
	Quiet   time.Duration
}
