package api

import (
	"context"
	"net/http"

	"butler/api/web"
)

// UDPQueue reports on the intake of task events.
type UDPQueue interface {
	Status(ctx context.Context) (UDPQueueStatus, error)
}

// UDPQueueStatus is the intake at one moment. Counts begin when the service starts.
type UDPQueueStatus struct {
	Listening bool   `json:"listening"`
	Address   string `json:"address"`
	// MessagesReceived are those of MessagesQueued and those dropped before.
	MessagesReceived uint64 `json:"messagesReceived"`
	MessagesQueued   uint64 `json:"messagesQueued"`
	// MessagesStored are on disk, MessagesProcessed decided.
	MessagesStored    uint64 `json:"messagesStored"`
	MessagesProcessed uint64 `json:"messagesProcessed"`
	// MessagesFailed are of an unknown type, or not valid.
	MessagesFailed           uint64 `json:"messagesFailed"`
	MessagesDroppedTotal     uint64 `json:"messagesDroppedTotal"`
	MessagesDroppedRateLimit uint64 `json:"messagesDroppedRateLimit"`
	MessagesDroppedQueueFull uint64 `json:"messagesDroppedQueueFull"`
	MessagesDroppedSize      uint64 `json:"messagesDroppedSize"`
	MessagesDroppedDuplicate uint64 `json:"messagesDroppedDuplicate"`
	// MessagesRefusedSource and MessagesDroppedKernel are not among those received.
	MessagesRefusedSource uint64 `json:"messagesRefusedSource"`
	MessagesDroppedKernel uint64 `json:"messagesDroppedKernel"`
	// QueueSize is how many events wait on disk for their decision.
	QueueSize           int     `json:"queueSize"`
	QueueMaxSize        int     `json:"queueMaxSize"`
	QueueUtilizationPct float64 `json:"queueUtilizationPct"`
	// OldestWaitingSeconds is how long the first of them has waited.
	OldestWaitingSeconds float64 `json:"oldestWaitingSeconds"`
	RateLimitCurrent     int     `json:"rateLimitCurrent"`
	BackpressureActive   bool    `json:"backpressureActive"`
}

func (r *rest) udpQueue(*call) (int, any, error) {
	if r.opts.UDPQueue == nil {
		return 0, nil, web.Problemf(http.StatusServiceUnavailable, "", "no task events are received; set Butler.udpServerConfig.enable")
	}
	ctx, cancel := web.Bounded()
	defer cancel()
	status, err := r.opts.UDPQueue.Status(ctx)
	return http.StatusOK, status, err
}
