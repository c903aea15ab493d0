package app

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"butler/actors/monitor"
	"butler/config"
	"butler/internal/cron"
	"butler/internal/destination"
	"butler/messages"
)

// queueMonitor tells how the intake of task events does, for whom stores it.
func queueMonitor(cfg *config.Config) monitorRow {
	var on bool
	var milliseconds int64
	err := errors.Join(
		destination.AllOn(cfg.Section, &on, "influxDb.enable", "udpServerConfig.queueMetrics.influxdb.enable"),
		cfg.Section("udpServerConfig.queueMetrics.influxdb.writeFrequency", &milliseconds),
	)
	return monitorRow{
		name: "udp_queue", path: "udpServerConfig.queueMetrics.influxdb", on: on, timeout: askTimeout,
		schedule: cron.Every(time.Duration(milliseconds) * time.Millisecond),
		probe: func(a *App) (monitor.Probe, error) {
			if !a.takesEvents() {
				return nil, nil
			}
			host, hostErr := os.Hostname()
			return a.queueReader(host).look, errors.Join(err, hostErr)
		},
	}
}

func (a *App) queueReader(host string) *queueReader {
	return &queueReader{
		host: host, metrics: func() (measured, error) { return measure(a.reg) },
		intake: func(ctx context.Context) (messages.IngestSnapshot, error) {
			reply, err := ask[messages.InspectIngestReply](ctx, a.kit, a.pids.ingest, func(to messages.Ref) any { return messages.InspectIngest{ReplyTo: to} })
			return reply.Ingest, err
		},
	}
}

// queueReader reads the intake, and remembers what it has told: counters begin
// at zero with every point.
type queueReader struct {
	host    string
	intake  func(context.Context) (messages.IngestSnapshot, error)
	metrics func() (measured, error)

	toldIntake  messages.IngestSnapshot
	toldMetrics measured
}

// The metrics that the intake itself does not know.
const (
	metricProcessed  = "butler_events_processed_total"
	metricDuplicates = "butler_events_duplicate_total"
	metricRemembered = "butler_dedup_entries"
	metricProcessing = "butler_event_processing_duration_seconds"
	metricLookups    = "butler_qrs_lookups_waiting"
)

const fieldUtilisation = "queue_utilization_pct" //nolint:misspell // as databases have it

func (q *queueReader) look(ctx context.Context, _ time.Time) (monitor.Report, error) {
	intake, err := q.intake(ctx)
	if err != nil {
		return monitor.Report{}, err
	}
	read, err := q.metrics()
	if err != nil {
		return monitor.Report{}, err
	}
	point := q.point(intake, read)
	q.toldIntake, q.toldMetrics = intake, read
	return monitor.Report{Alerts: []messages.Alert{{Kind: messages.UDPQueue, Points: []messages.Point{point}}}}, nil
}

// point is the row of the measurement. Repeated events were taken in and are
// dropped later: they count as dropped, as databases have it.
func (q *queueReader) point(now messages.IngestSnapshot, read measured) messages.Point {
	was := q.toldIntake
	duplicates := since(read.total(metricDuplicates), q.toldMetrics.total(metricDuplicates))
	times := processing(read).since(processing(q.toldMetrics))
	grown := func(field func(messages.IngestSnapshot) uint64) float64 {
		return since(float64(field(now)), float64(field(was)))
	}
	utilisation, pressure := 0.0, 0.0
	if now.QueueMaxSize > 0 {
		utilisation = float64(now.Backlog) / float64(now.QueueMaxSize) * 100
	}
	if now.BackpressureActive {
		pressure = 1
	}
	processed := since(read.total(metricProcessed), q.toldMetrics.total(metricProcessed))
	return messages.Point{}.Tag("queue_type", "task_results").Tag("host", strings.ToLower(q.host)).
		Number("queue_size", float64(now.Backlog)).Number("queue_max_size", float64(now.QueueMaxSize)).
		Number(fieldUtilisation, utilisation).Number("queue_pending", read.total(metricLookups)).
		Number("messages_received", grown(func(s messages.IngestSnapshot) uint64 { return s.Received })).
		Number("messages_queued", max(0, grown(func(s messages.IngestSnapshot) uint64 { return s.Queued })-duplicates)).
		Number("messages_processed", grown(func(s messages.IngestSnapshot) uint64 { return s.Processed })+processed).
		Number("messages_failed", grown(func(s messages.IngestSnapshot) uint64 { return s.Failed })).
		Number("messages_dropped_total", grown(func(s messages.IngestSnapshot) uint64 { return s.Dropped })+duplicates).
		Number("messages_dropped_rate_limit", grown(func(s messages.IngestSnapshot) uint64 { return s.DroppedRateLimit })).
		Number("messages_dropped_queue_full", grown(func(s messages.IngestSnapshot) uint64 { return s.DroppedQueueFull })).
		Number("messages_dropped_size", grown(func(s messages.IngestSnapshot) uint64 { return s.DroppedSize })).
		Number("messages_dropped_duplicate", duplicates).
		Number("deduplication_cache_size", read.total(metricRemembered)).
		Number("processing_time_avg_ms", 1000*times.mean()).Number("processing_time_p95_ms", 1000*times.quantile(0.95)).
		Number("processing_time_max_ms", 1000*times.quantile(1)).
		Number("rate_limit_current", float64(now.RateLimitCurrent)).Number("backpressure_active", pressure)
}

// processing is the time that events took here. That of a distribute task which is
// followed is the task's own.
func processing(m measured) histogram {
	return m.histogram(metricProcessing).since(m.histogram(ofDistribute(metricProcessing)))
}

// since returns by how much a counter has grown; one that was reset began at zero.
func since(now, was float64) float64 {
	if now < was {
		return now
	}
	return now - was
}
