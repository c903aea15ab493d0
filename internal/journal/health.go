package journal

import "sync"

// health holds the current errors of writing and reading, and reports changes.
type health struct {
	tell func(error)

	// telling keeps the calls of tell in order; mu is never held during a call.
	telling sync.Mutex

	mu               sync.Mutex
	writing, reading error
}

// setWriting sets the outcome of the latest write.
func (h *health) setWriting(err error) { h.set(&h.writing, err) }

// setReading sets the outcome of the latest read.
func (h *health) setReading(err error) { h.set(&h.reading, err) }

func (h *health) set(field *error, err error) {
	h.telling.Lock()
	defer h.telling.Unlock()
	before := h.why()
	h.mu.Lock()
	*field = err
	h.mu.Unlock()
	after := h.why()
	if (before == nil) != (after == nil) && h.tell != nil {
		h.tell(after)
	}
}

// why returns the current error of writing or else of reading, or nil.
func (h *health) why() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.writing != nil {
		return h.writing
	}
	return h.reading
}
