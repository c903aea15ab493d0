package journal

import "sync"

// health is whether something works at present, and reports changes.
type health struct {
	// tell gets the error when it starts to fail, and nil when it works again; nil tells nobody.
	tell func(error)

	// telling keeps the calls of tell in order; mu is never held during a call.
	telling sync.Mutex

	mu  sync.Mutex
	err error
}

// set sets the outcome of the latest attempt.
func (h *health) set(err error) {
	h.telling.Lock()
	defer h.telling.Unlock()
	h.mu.Lock()
	before := h.err
	h.err = err
	h.mu.Unlock()
	if (before == nil) != (err == nil) && h.tell != nil {
		h.tell(err)
	}
}

// why returns the error with which it fails at present, or nil.
func (h *health) why() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}
