package journal

import "sync"

// health remembers why writing or reading fails, and reports changes.
type health struct {
	tell func(error)

	// telling keeps the calls of tell in order; mu is never held during one.
	telling sync.Mutex

	mu               sync.Mutex
	writing, reading error
}

// setWriting notes the outcome of the latest write.
func (h *health) setWriting(err error) { h.set(&h.writing, err) }

// setReading notes the outcome of the latest read.
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

// why returns what fails at present, or nil.
func (h *health) why() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.writing != nil {
		return h.writing
	}
	return h.reading
}
