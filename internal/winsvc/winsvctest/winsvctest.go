// Package winsvctest has service control managers for tests.
package winsvctest

import (
	"context"
	"errors"
	"sync"

	"butler/internal/winsvc"
)

// ErrUnreachable is the error for a host that is down.
var ErrUnreachable = errors.New("open the service control manager: the RPC server is unavailable")

// Hosts is a set of hosts whose services a test controls. It is safe for concurrent
// use; the zero value has no reachable host.
type Hosts struct {
	mu       sync.Mutex
	services map[string]map[string]winsvc.Service
	refused  map[string]error
	hanging  map[string]bool
	asked    map[string]int
}

// Set adds a service to a host, or changes its state.
func (h *Hosts) Set(host, name string, s winsvc.Service) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.services == nil {
		h.services = map[string]map[string]winsvc.Service{}
	}
	if h.services[host] == nil {
		h.services[host] = map[string]winsvc.Service{}
	}
	h.services[host][name] = s
	delete(h.refused, host+"|"+name)
}

// Remove removes a service from a host.
func (h *Hosts) Remove(host, name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.services[host], name)
}

// Refuse makes a host answer an error for one service.
func (h *Hosts) Refuse(host, name string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refused == nil {
		h.refused = map[string]error{}
	}
	h.refused[host+"|"+name] = err
}

// Down makes a host unreachable and removes its services.
func (h *Hosts) Down(host string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.services, host)
}

// Hang makes a host stop answering, or answer again.
func (h *Hosts) Hang(host string, on bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.hanging == nil {
		h.hanging = map[string]bool{}
	}
	h.hanging[host] = on
}

// Asked returns the number of queries of a host.
func (h *Hosts) Asked(host string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.asked[host]
}

// Query implements winsvc.Manager.
func (h *Hosts) Query(ctx context.Context, host string, names []string) ([]winsvc.Answer, error) {
	h.mu.Lock()
	if h.asked == nil {
		h.asked = map[string]int{}
	}
	h.asked[host]++
	hanging := h.hanging[host]
	h.mu.Unlock()
	if hanging {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	known, up := h.services[host]
	if !up {
		return nil, ErrUnreachable
	}
	var answers []winsvc.Answer
	for _, name := range names {
		answer := winsvc.Answer{Name: name, Err: winsvc.ErrNoSuchService}
		if s, ok := known[name]; ok {
			answer.Service, answer.Err = s, h.refused[host+"|"+name]
		}
		answers = append(answers, answer)
	}
	return answers, nil
}
