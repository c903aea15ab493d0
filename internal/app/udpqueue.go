package app

import (
	"context"
	"math"
	"time"

	dto "github.com/prometheus/client_model/go"

	"butler/api"
	"butler/messages"
)

// udpQueue serves the state of the intake to the REST API.
type udpQueue struct{ app *App }

// Status implements api.UDPQueue.
func (q udpQueue) Status(ctx context.Context) (api.UDPQueueStatus, error) {
	reply, err := ask[messages.InspectIngestReply](ctx, q.app.kit, q.app.pids.ingest, func(to messages.Ref) any { return messages.InspectIngest{ReplyTo: to} })
	if err != nil {
		return api.UDPQueueStatus{}, err
	}
	duplicates, err := q.app.total("butler_events_duplicate_total")
	if err != nil {
		return api.UDPQueueStatus{}, err
	}
	decided, err := q.app.total("butler_events_processed_total")
	if err != nil {
		return api.UDPQueueStatus{}, err
	}
	i := reply.Ingest
	status := api.UDPQueueStatus{
		Listening: i.Listening, Address: i.Address,
		MessagesReceived: i.Received, MessagesQueued: i.Queued, MessagesStored: i.Stored, MessagesProcessed: i.Processed + decided,
		MessagesFailed: i.Failed, MessagesDroppedTotal: i.Dropped + duplicates, MessagesDroppedRateLimit: i.DroppedRateLimit,
		MessagesDroppedQueueFull: i.DroppedQueueFull, MessagesDroppedSize: i.DroppedSize, MessagesDroppedDuplicate: duplicates,
		MessagesRefusedSource: i.RefusedSource, MessagesDroppedKernel: i.KernelDropped,
		QueueSize: i.Backlog, QueueMaxSize: i.QueueMaxSize, RateLimitCurrent: i.RateLimitCurrent, BackpressureActive: i.BackpressureActive,
	}
	if i.QueueMaxSize > 0 {
		status.QueueUtilizationPct = rounded(100 * float64(i.Backlog) / float64(i.QueueMaxSize))
	}
	if oldest := q.app.queue.Stats().Oldest; i.Backlog > 0 && !oldest.IsZero() {
		status.OldestWaitingSeconds = rounded(max(0, time.Since(oldest).Seconds()))
	}
	return status, nil
}

// rounded rounds to one decimal.
func rounded(n float64) float64 { return math.Round(10*n) / 10 }

// total returns the sum of all series of a counter.
func (a *App) total(name string) (uint64, error) {
	series, err := a.series(name)
	sum := 0.0
	for _, one := range series {
		sum += one.GetCounter().GetValue()
	}
	return uint64(sum), err
}

// series returns the series of a metric.
func (a *App) series(name string) ([]*dto.Metric, error) {
	families, err := a.reg.Gather()
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric(), err
		}
	}
	return nil, err
}
