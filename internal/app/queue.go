package app

import (
	"context"
	"errors"
	"os"
	"slices"
	"time"

	"butler/actors/monitor"
	"butler/config"
	"butler/internal/cron"
	"butler/internal/destination"
	"butler/messages"
)

// queueMonitor reports the state of the intake of task events, as a measurement for
// InfluxDB.
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
		probe: func(g *generation) (monitor.Probe, error) {
			if !g.takesEvents() {
				return nil, nil
			}
			host, hostErr := os.Hostname()
			reader := g.queueReader(host)
			groupsErr := g.cfg.Section("udpServerConfig.queueMetrics.influxdb.metrics", &reader.groups)
			return reader.read, errors.Join(err, hostErr, groupsErr)
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

// queueReader turns the counters of the intake into points. Each point has what was
// counted since the one before, so the reader keeps the last readings.
type queueReader struct {
	host    string
	intake  func(context.Context) (messages.IngestSnapshot, error)
	metrics func() (measured, error)

	groups queueGroups

	lastIntake  messages.IngestSnapshot
	lastMetrics measured
}

// queueGroups are the switches of the fields, udpServerConfig.queueMetrics.influxdb.metrics.
type queueGroups struct {
	DropCounters, MessageCounters, QueueState, ProcessingTimes, Dedup, RateLimit queueGroup
}

// queueGroup is the switch of some fields.
type queueGroup struct{ Enable bool }

// off returns the fields that are switched off.
func (g queueGroups) off() (fields []string) {
	for _, group := range []struct {
		queueGroup
		fields []string
	}{
		{g.DropCounters, []string{"messages_dropped_total", "messages_dropped_queue_full", "messages_dropped_rate_limit", "messages_dropped_size"}},
		{g.MessageCounters, []string{"messages_received", "messages_queued", "messages_processed", "messages_failed"}},
		{g.QueueState, []string{"queue_size", "queue_max_size", fieldUtilisation, "queue_pending", "backpressure_active"}},
		{g.ProcessingTimes, []string{"processing_time_avg_ms", "processing_time_p95_ms", "processing_time_max_ms"}},
		{g.Dedup, []string{"deduplication_cache_size", "messages_dropped_duplicate"}},
		{g.RateLimit, []string{"rate_limit_current"}},
	} {
		if !group.Enable {
			fields = append(fields, group.fields...)
		}
	}
	return fields
}

// The metrics that are not in messages.IngestSnapshot.
const (
	metricProcessed  = "butler_events_processed_total"
	metricDuplicates = "butler_events_duplicate_total"
	metricRemembered = "butler_dedup_entries"
	metricProcessing = "butler_event_processing_duration_seconds"
	metricLookups    = "butler_qrs_lookups_waiting"
)

const fieldUtilisation = "queue_utilization_pct" //nolint:misspell // as databases have it

// read implements monitor.Probe.
func (q *queueReader) read(ctx context.Context, _ time.Time) (monitor.Report, error) {
	intake, err := q.intake(ctx)
	if err != nil {
		return monitor.Report{}, err
	}
	metrics, err := q.metrics()
	if err != nil {
		return monitor.Report{}, err
	}
	point, off := q.point(intake, metrics), q.groups.off()
	point.Fields = slices.DeleteFunc(point.Fields, func(f messages.Field) bool { return slices.Contains(off, f.Name) })
	q.lastIntake, q.lastMetrics = intake, metrics
	if len(point.Fields) == 0 {
		return monitor.Report{}, nil
	}
	return monitor.Report{Alerts: []messages.Alert{{Kind: messages.UDPQueue, Points: []messages.Point{point}}}}, nil
}

// point returns the row of the measurement. Duplicates are journalled and dropped
// later; here they count as dropped and not as queued, as in existing databases.
func (q *queueReader) point(now messages.IngestSnapshot, read measured) messages.Point {
	was := q.lastIntake
	duplicates := since(read.total(metricDuplicates), q.lastMetrics.total(metricDuplicates))
	times := processing(read).since(processing(q.lastMetrics))
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
	processed := since(read.total(metricProcessed), q.lastMetrics.total(metricProcessed))
	return messages.Point{}.Tag("queue_type", "task_results").Tag("host", q.host).
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

// processing returns the processing times of events without those of distribute
// tasks, which include the time for which the task was followed.
func processing(m measured) histogram {
	return m.histogram(metricProcessing).since(m.histogram(distributePart(metricProcessing)))
}

// since returns by how much a counter has grown. One that is lower than before was
// reset to zero in between.
func since(now, was float64) float64 {
	if now < was {
		return now
	}
	return now - was
}
