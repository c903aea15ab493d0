// Package winsvc owns what the service knows of Windows services: the port that
// service control managers are asked through (Manager), and the state machine
// that tells a change worth an alert from everything else (Watch).
//
// It guarantees that a service that cannot be asked never changes the answer
// about another, that a change is told once and only between settled states, and
// that a service which starts and stops all the time is told of as such and not
// forgotten: what it comes to rest at is told. It must never read a clock, and
// never ask anybody itself.
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

// Settled reports whether a service stays in the state until somebody acts.
func (s State) Settled() bool { return s == Running || s == Stopped || s == Paused }

// The start types, as they are told.
const (
	Automatic        = "Automatic"
	AutomaticDelayed = "Automatic (delayed start)"
	Manual           = "Manual"
	Disabled         = "Disabled"
	Boot             = "Boot"
	System           = "System"
)

// Service is what a service control manager says about one service, fit for a
// line of a log: texts are clean and of bounded length.
type Service struct {
	State        State
	DisplayName  string
	StartType    string
	ExePath      string
	Dependencies []string
}

// Answer is what asking for one service came to.
type Answer struct {
	// Name is the name that was asked for.
	Name    string
	Service Service
	// Err says why there is no Service: ErrNoSuchService, or what the host said.
	Err error
}

// Manager asks service control managers.
type Manager interface {
	// Query asks one host for services by their names. The answers are in the
	// order of the names; an error means that the host gave none. It returns when
	// ctx ends, even where the system call behind it does not.
	Query(ctx context.Context, host string, names []string) ([]Answer, error)
}

// ErrNoSuchService is the error of a service that the host does not have.
var ErrNoSuchService = errors.New("the host has no service of this name")

// Configured is a service as the configuration names it.
type Configured struct{ Name, FriendlyName string }

// Told returns the service as alerts carry it.
func (c Configured) Told(host string, s Service) messages.Service {
	return messages.Service{
		Host: host, Name: c.Name, FriendlyName: c.FriendlyName, DisplayName: s.DisplayName,
		StartType: s.StartType, ExePath: s.ExePath, Dependencies: s.Dependencies, Status: s.State.String(),
	}
}

// Limits of names. Windows has these, too.
const (
	maxHost    = 255
	maxService = 256
)

// CheckHost says what is wrong with the name of a host.
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

// CheckService says what is wrong with the name of a service.
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

// Damping says when a service counts as unsteady. The zero value damps nothing.
type Damping struct {
	// More than Changes changes within Within make a service unsteady: no change of
	// it is told until its state has been the same for Quiet.
	Changes int
	Within  time.Duration
	Quiet   time.Duration
}
