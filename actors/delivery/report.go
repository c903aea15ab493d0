package delivery

import (
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"butler/internal/logx"
	"butler/internal/outbox"
	"butler/messages"
)

const (
	summaryEvery = time.Minute
	summaryKeys  = 32
)

// reporter writes the log of one instance. What repeats is written once and then
// counted; a delivered alert has a line of its own, always.
type reporter struct {
	log      *zap.Logger
	repeated *logx.Repeated
	held     int
}

func newReporter(log *zap.Logger) *reporter {
	return &reporter{log: log, repeated: logx.NewRepeated(summaryEvery, summaryKeys)}
}

// once writes a line, unless one of the same message and label was written lately.
func (r *reporter) once(now time.Time, level zapcore.Level, label, message string, fields ...zap.Field) {
	r.summarise(now) // a window that ended long ago must not hold this line back
	if !r.repeated.First(now, message+": "+label) {
		r.held++
		return
	}
	r.log.Log(level, message, fields...)
}

// holdsBack reports whether a summary has something to tell.
func (r *reporter) holdsBack() bool { return r.held > 0 }

// summarise tells how often lines were held back.
func (r *reporter) summarise(now time.Time) {
	for _, s := range r.repeated.Due(now) {
		r.held -= s.Count
		r.log.Warn("repeated", zap.String("line", s.Key), logx.Count(s.Count), zap.Time("since", s.Since))
	}
}

// attempt tells what was delivered, and where the destination crashed.
func (r *reporter) attempt(a attempted) {
	if a.stack != "" {
		r.once(a.at, zapcore.ErrorLevel, "panic", "destination panicked", zap.String("stack", a.stack))
	}
	for i, result := range a.results {
		if result.Kind != Accepted {
			continue
		}
		n := &a.notices[i]
		r.log.Info("alert delivered",
			logx.ExecutionID(n.Alert.Event.ExecutionID), logx.TaskName(n.Alert.Event.TaskName),
			logx.Alert(n.Alert.Kind), logx.NoticeID(n.ID), logx.Attempt(a.sent[i].Attempt),
			zap.Duration("latency", a.took), zap.Int("suppressed_before", n.SuppressedBefore))
	}
}

func (r *reporter) retry(now time.Time, do Retry) {
	r.once(now, zapcore.WarnLevel, do.Result.Err, "attempt failed, trying again",
		logx.NoticeID(do.ID), logx.Attempt(do.Attempt), logx.Delay(do.Delay), zap.String("err", do.Result.Err))
}

func (r *reporter) pause(now time.Time, do Paused) {
	r.once(now, zapcore.WarnLevel, "throttled", "destination asks for a pause", logx.Delay(do.Until.Sub(now)))
}

func (r *reporter) breaker(now time.Time, do BreakerMoved) {
	if !do.Open {
		r.log.Info("destination works again, circuit breaker closed")
		return
	}
	r.log.Warn("destination keeps failing, circuit breaker opened",
		logx.Delay(do.Until.Sub(now)), zap.String("err", do.Err))
}

// outcomes tells what was not delivered.
func (r *reporter) outcomes(s outbox.Settlement) {
	for _, o := range s.Outcomes {
		switch o.Ended {
		case messages.NoticeSuppressed:
			r.once(s.At, zapcore.InfoLevel, suppressedBy(o), "alert suppressed",
				logx.NoticeID(o.ID), logx.Reason(suppressedBy(o)), zap.String("why", o.Reason))
		case messages.NoticeParked:
			r.once(s.At, zapcore.ErrorLevel, string(o.Cause), "alert parked",
				logx.NoticeID(o.ID), logx.Reason(string(o.Cause)), logx.Attempt(o.Attempts), zap.String("why", o.Reason))
		case messages.NoticeDelivered:
		}
	}
}
