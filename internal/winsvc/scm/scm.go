// Package scm asks the service control managers of Windows hosts, the machine's
// own and those of others, through the calls of Windows itself.
//
// It guarantees that a question ends with its context although the calls of
// Windows do not, that at most one of them per host is left behind that way, and
// that every handle is closed. It asks for the right to read and for no other.
// It must never change a service.
package scm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"unicode/utf16"

	"butler/internal/text"
	"butler/internal/winsvc"
)

// Native returns the service control managers as Windows reaches them; false
// where the program does not run on Windows.
func Native() (winsvc.Manager, bool) {
	if ask == nil {
		return nil, false
	}
	return newManager(ask), true
}

// asking asks one host and waits as long as that takes.
type asking func(host string, names []string) ([]winsvc.Answer, error)

// manager bounds calls that know no bounds.
type manager struct {
	ask asking

	mu sync.Mutex
	// busy are the hosts that a call has not come back from.
	busy map[string]bool
}

func newManager(ask asking) *manager { return &manager{ask: ask, busy: map[string]bool{}} }

var errBusy = errors.New("the host has not answered the question before this one")

// Query implements winsvc.Manager.
func (m *manager) Query(ctx context.Context, host string, names []string) ([]winsvc.Answer, error) {
	if !m.enter(host) {
		return nil, errBusy
	}
	type result struct {
		answers []winsvc.Answer
		err     error
	}
	done := make(chan result, 1)
	go func() {
		defer m.leave(host)
		answers, err := m.guarded(machineName(host), names)
		done <- result{answers, err}
	}()
	select {
	case r := <-done:
		return r.answers, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("ask the host for its services: no answer in time: %w", context.Cause(ctx))
	}
}

// guarded asks. A panic stays the trouble of this one host.
func (m *manager) guarded(host string, names []string) (answers []winsvc.Answer, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			answers, err = nil, fmt.Errorf("BUG: the answer of the host could not be handled: %v", cause)
		}
	}()
	answers, err = m.ask(host, names)
	for i := range answers {
		answers[i].Service = cleaned(answers[i].Service)
	}
	return answers, err
}

func (m *manager) enter(host string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.busy[host] {
		return false
	}
	m.busy[host] = true
	return true
}

func (m *manager) leave(host string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.busy, host)
}

// machineName returns the host as Windows wants it, "" for this machine: asking
// it over the network would need rights that a local call does not.
func machineName(host string) string {
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() || strings.EqualFold(host, "localhost") || host == "." {
		return ""
	}
	if own, err := os.Hostname(); err == nil && strings.EqualFold(host, own) {
		return ""
	}
	return host
}

// Limits of what a host says.
const (
	maxText         = 512
	maxDependencies = 64
)

// cleaned returns what a host says fit for logs and messages.
func cleaned(s winsvc.Service) winsvc.Service {
	s.DisplayName, s.ExePath = text.Excerpt(s.DisplayName, maxText), text.Excerpt(s.ExePath, maxText)
	var dependencies []string
	for _, d := range s.Dependencies[:min(len(s.Dependencies), maxDependencies)] {
		if d = text.Excerpt(d, maxText); d != "" {
			dependencies = append(dependencies, d)
		}
	}
	s.Dependencies = dependencies
	return s
}

// splitMulti returns the texts of a list of texts, each ended by a zero, the list
// by an empty text or its end.
func splitMulti(units []uint16) []string {
	var out []string
	for len(out) < maxDependencies {
		end := slices.Index(units, 0)
		if end <= 0 {
			break
		}
		out, units = append(out, string(utf16.Decode(units[:end]))), units[end+1:]
	}
	return out
}
