package ingest

import (
	"math"
	"net/netip"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"butler/internal/logx"
	"butler/internal/quarantine"
	"butler/internal/udp"
	"butler/messages"
)

// textInLog is how many characters of a datagram a log line shows.
const textInLog = 200

// report writes what happens to datagrams to the log, the metrics and the quarantine.
type report struct {
	log        *zap.Logger
	metrics    *Metrics
	quarantine Quarantine
}

// batch reports the decision about one batch.
func (r *report) batch(m messages.DatagramsReceived, decided *admission) {
	r.metrics.received(m.Datagrams)
	for i := range decided.events {
		r.event(&decided.events[i])
	}
	for _, d := range decided.sanitised {
		r.log.Warn("event text was sanitised: characters were removed, or it was too long",
			logx.Source(d.Source.String()), zap.String("text", udp.Excerpt(d.Payload, textInLog)))
	}
	for i := range decided.refusals {
		r.refusal(&decided.refusals[i])
	}
}

func (r *report) event(a *accepted) {
	r.metrics.event(a)
	entry := r.log.Check(zapcore.DebugLevel, "event received")
	if entry == nil {
		return
	}
	e, err := udp.ParseEntry(udp.EncodeEntry(a.datagram)) // as the shard will read it
	if err != nil {
		return
	}
	entry.Write(
		logx.EventType(e.Family), logx.Node(e.HostName), logx.TaskName(e.TaskName), logx.TaskID(e.TaskID),
		logx.AppID(e.AppID), logx.ExecutionID(e.ExecutionID), zap.String("user", e.User), logx.Source(e.Source),
		zap.String("log_message", e.LogMessage))
}

func (r *report) refusal(f *refusal) {
	r.metrics.refused(f.reason)
	if f.tell {
		r.log.Log(levelOf(f.reason), "datagram refused",
			logx.Reason(f.reason.String()), zap.String("detail", f.detail), logx.Source(f.datagram.Source.String()),
			zap.Int("bytes", f.datagram.Size), zap.String("text", udp.Excerpt(f.datagram.Payload, textInLog)))
	}
	if f.keep && r.quarantine != nil {
		r.quarantine.Put(quarantined(f), r.metrics.quarantined.Inc)
	}
}

// levelOf is Error where something was lost that should have been kept.
func levelOf(reason udp.Reason) zapcore.Level {
	if reason == udp.ReasonJournalUnavailable {
		return zapcore.ErrorLevel
	}
	return zapcore.WarnLevel
}

// summaries logs how often repeated lines were held back.
func (r *report) summaries(held []logx.Summary) {
	for _, s := range held {
		what, source, _ := strings.Cut(s.Key, " ")
		level := zapcore.WarnLevel
		if what == udp.ReasonJournalUnavailable.String() {
			level = zapcore.ErrorLevel
		}
		message := "more datagrams refused"
		if what == sanitisedLine {
			message = "more events with text that was changed"
		}
		r.log.Log(level, message, logx.Reason(what), logx.Source(source), logx.Count(s.Count), zap.Time("since", s.Since))
	}
}

// stored reports that datagrams are durable.
func (r *report) stored(m messages.DatagramsStored) {
	r.metrics.stored(m.At.Sub(m.ReceivedAt), m.Count)
}

// lost reports that accepted datagrams did not reach the journal: it was closed, or they do not
// fit a record.
func (r *report) lost(m messages.DatagramsStored) {
	for range m.Count {
		r.metrics.refused(udp.ReasonJournalUnavailable)
	}
	r.log.Error("accepted datagrams are lost: the journal did not take them", logx.Count(m.Count), logx.Err(m.Failure))
}

// listening reports an open socket, and a receive buffer that is too small for a burst.
func (r *report) listening(addr netip.AddrPort, granted, wanted int) {
	r.metrics.receiveBuffer.Set(float64(granted))
	r.log.Info("listening for task events", zap.String("address", addr.String()), zap.Int("receive_buffer", granted))
	if granted < wanted {
		r.log.Warn("UDP receive buffer is smaller than wanted: bursts may be lost (Linux: raise net.core.rmem_max)",
			zap.Int("receive_buffer", granted), zap.Int("wanted", wanted))
	}
}

// sources reports names that could not be resolved, and the number of allowed addresses if that has changed.
func (r *report) sources(last, now *udp.Set) {
	if now == nil {
		return
	}
	for _, err := range now.Unresolved {
		r.log.Warn("allowed UDP source has no address; the others stay in force", logx.Err(err))
	}
	if last == nil || last.Len() != now.Len() {
		r.log.Info("allowed UDP sources loaded", logx.Count(now.Len()), zap.Int("skipped", len(now.Unresolved)))
	}
}

// kernelDrops reports datagrams that the kernel dropped.
func (r *report) kernelDrops(fresh, tell uint64) {
	r.metrics.kernelDropped.Add(float64(fresh))
	if tell > 0 {
		r.log.Error("datagrams lost: the UDP receive buffer was full", zap.Uint64("count", tell))
	}
}

// backlog reports a backlog that gets long, stays long, or is worked off.
func (r *report) backlog(now time.Time, waiting int, p *pressure) {
	news := p.observe(now, waiting)
	r.metrics.backlog(waiting, p)
	fields := []zap.Field{
		zap.Int("waiting", waiting), zap.Int("max", p.size),
		zap.Float64("utilisation_percent", math.Round(1000*float64(waiting)/float64(p.size))/10),
		zap.Float64("threshold_percent", p.threshold),
	}
	switch news {
	case pressureSame:
	case pressureBegan:
		r.log.Warn("event backlog is long; nothing is lost, it waits on disk", fields...)
	case pressureGoesOn:
		r.log.Warn("event backlog is still long", fields...)
	case pressureEnded:
		r.log.Info("event backlog is worked off", fields...)
	}
}

// quarantined returns the quarantine entry of a refusal.
func quarantined(f *refusal) messages.QuarantinedDatagram {
	d := messages.QuarantinedDatagram{
		Reason: f.reason.String(),
		Detail: f.detail,
		Source: f.datagram.Source.String(),
		At:     f.datagram.At,
	}
	d.SetPayload(f.datagram.Payload, quarantine.MaxRefused)
	d.Size = f.datagram.Size
	d.Cut = d.Cut || f.datagram.Truncated()
	return d
}
