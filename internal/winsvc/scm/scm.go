// Package scm owns the queries of service control managers, on this machine and on
// others, through the Windows API.
//
// It guarantees that a query ends with its context although the calls of Windows do
// not, that at most one such call per host is left running, and that every handle is
// closed. It requests only the right to read, and must never change a service.
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

// Native returns the manager of the operating system, false if that is not Windows.
func Native() (winsvc.Manager, bool) {
	if ask == nil {
		return nil, false
	}
	return newManager(ask), true
}

// asking queries one host, without a time limit.
type asking func(host string, names []string) ([]winsvc.Answer, error)

// manager bounds the time of queries.
type manager struct {
	ask asking

	mu sync.Mutex
	// busy are the hosts with a query that has not returned.
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
		answers, err := m.askSafely(machineName(host), names)
		m.leave(host) // before the result is sent, so that its receiver can query the host again
		done <- result{answers, err}
	}()
	select {
	case r := <-done:
		return r.answers, r.err
	case <-ctx.Done():
		return nil, fmt.Errorf("ask the host for its services: no answer in time: %w", context.Cause(ctx))
	}
}

// askSafely queries a host. It returns a panic as an error.
func (m *manager) askSafely(host string, names []string) (answers []winsvc.Answer, err error) {
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

// machineName returns the host name for Windows, "" for this machine: a query over the
// network would need more rights than a local one.
func machineName(host string) string {
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() || strings.EqualFold(host, "localhost") || host == "." {
		return ""
	}
	if own, err := os.Hostname(); err == nil && strings.EqualFold(host, own) {
		return ""
	}
	return host
}

// Limits of the answer of a host.
const (
	maxText         = 512
	maxDependencies = 64
)

// cleaned removes control characters from the texts of a host and bounds their length.
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

// splitMulti splits a list of zero-terminated texts. An empty text or the end of units
// ends the list.
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
