package notify

import (
	"fmt"
	"strings"

	"butler/internal/destination"
	"butler/messages"
)

// Health is the health of a destination instance, for the operator.
type Health struct {
	// Instance is "" for parked entries that cannot be read.
	Instance string
	// Trouble says what keeps notices from being delivered, "" when nothing does.
	Trouble string
	// Configured is false for an instance of an earlier configuration. Such a one is
	// only shown while it is in trouble.
	Configured bool
}

// health combines what is known of every instance: the condition of its delivery,
// and how many of its notices are parked.
type health struct {
	opts       Options
	configured map[string]destination.Built
	changes    map[string]messages.DeliveryChanged
	// known are all instances that were ever reported.
	known map[string]struct{}
}

func newHealth(opts Options) *health {
	return &health{opts: opts, changes: map[string]messages.DeliveryChanged{}, known: map[string]struct{}{}}
}

// configure sets the configured instances.
func (h *health) configure(built map[string]destination.Built) {
	h.configured = built
	for instance := range built {
		h.known[instance] = struct{}{}
	}
	h.recount()
}

// changed takes a message of a delivery actor.
func (h *health) changed(c messages.DeliveryChanged) {
	h.changes[c.Instance] = c
	h.known[c.Instance] = struct{}{}
	h.report(c.Instance, h.parked()[c.Instance])
}

// recount counts the parked notices again and reports all instances.
func (h *health) recount() {
	parked := h.parked()
	for instance := range parked {
		h.known[instance] = struct{}{}
	}
	for instance := range h.known {
		h.report(instance, parked[instance])
	}
}

// parked counts the parked notices by instance.
func (h *health) parked() map[string]int {
	counts := map[string]int{}
	for place, n := range h.opts.Outbox.ParkedCounts() {
		counts[place.Instance] += n
	}
	return counts
}

func (h *health) report(instance string, parked int) {
	var trouble []string
	_, configured := h.configured[instance]
	if change, told := h.changes[instance]; configured && told && change.Condition != messages.Delivering {
		trouble = append(trouble, inWords(change))
	}
	if parked > 0 {
		trouble = append(trouble, fmt.Sprintf("%d parked, see: butler parked list", parked))
	}
	h.opts.OnHealth(Health{Instance: instance, Trouble: strings.Join(trouble, "; "), Configured: configured})
}

// inWords says why an instance does not deliver.
func inWords(c messages.DeliveryChanged) string {
	says := "it does not deliver (" + string(c.Condition) + ")"
	switch c.Condition {
	case messages.DeliveryBreakerOpen:
		says = "it keeps failing and is tried again after a pause"
	case messages.DeliveryThrottled:
		says = "it asks for a pause again and again"
	case messages.DeliveryMisconfigured:
		says = "it refuses everything until its configuration is corrected"
	default:
	}
	if c.LastError != "" {
		says += ": " + c.LastError
	}
	return says
}
