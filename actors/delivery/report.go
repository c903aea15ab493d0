package delivery

import (
	"cmp"
	"fmt"
	"iter"
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
	// parkedKeys is how many executions have a line of their own in a minute when their
	// alerts are parked; butler parked list has them all.
	parkedKeys = 200
)

// reporter writes the log of one instance. Repeated lines are written once and then
// summed up; a delivered alert always has a line of its own.
type reporter struct {
	log      *zap.Logger
	repeated *logx.Repeated
	// parked is for parked alerts, which are summed up per execution only.
	parked *logx.Repeated
	held   int // lines that no summary has reported yet
}

func newReporter(log *zap.Logger) *reporter {
	return &reporter{log: log, repeated: logx.NewRepeated(summaryEvery, summaryKeys), parked: logx.NewRepeated(summaryEvery, parkedKeys)}
}

// first reports whether to write a line, because none with the key was written lately.
func (r *reporter) first(now time.Time, in *logx.Repeated, key string) bool {
	r.summarise(now) // an interval that has ended must not hold this line back
	if in.First(now, key) {
		return true
	}
	r.held++
	return false
}

// once writes a line, unless one of the same message and label was written lately.
func (r *reporter) once(now time.Time, level zapcore.Level, label, message string, fields ...zap.Field) {
	if r.first(now, r.repeated, message+": "+label) {
		r.log.Log(level, message, fields...)
	}
}

// holdsBack reports whether lines wait for a summary.
func (r *reporter) holdsBack() bool { return r.held > 0 }

// summarise writes how often lines were held back.
func (r *reporter) summarise(now time.Time) {
	tell := func(level zapcore.Level, summaries []logx.Summary) {
		for _, s := range summaries {
			r.held -= s.Count
			r.log.Log(level, "repeated", zap.String("line", s.Key), logx.Count(s.Count), zap.Time("since", s.Since))
		}
	}
	tell(zapcore.WarnLevel, r.repeated.Due(now))
	parked := r.parked.Due(now)
	for i := range parked {
		if parked[i].Key == logx.OtherKeys {
			parked[i].Key = "alert parked: further executions, butler parked list names them"
		}
	}
	tell(zapcore.ErrorLevel, parked)
}

// attempt logs what was delivered, and where the destination panicked.
func (r *reporter) attempt(a attempted) {
	if a.stack != "" {
		r.once(a.at, zapcore.ErrorLevel, "panic", "destination panicked", zap.String("stack", a.stack))
	}
	for i, result := range a.results {
		if result.kind != resultAccepted {
			continue
		}
		n := &a.notices[i]
		fields := []zap.Field{
			logx.ExecutionID(n.Alert.Event.ExecutionID), logx.TaskName(n.Alert.Event.TaskName),
			logx.Alert(n.Alert.Kind), logx.NoticeID(n.ID), logx.Attempt(a.sent[i].attempt),
			zap.Duration("latency", a.took), zap.Int("suppressed_before", n.SuppressedBefore),
		}
		if a.idle != nil && a.idle[i] != "" {
			fields = append(fields, zap.String("nothing_done", a.idle[i]))
		}
		r.log.Info("alert delivered", fields...)
	}
}

// retry logs that a notice of an attempt is tried again.
func (r *reporter) retry(now time.Time, do retry, a *attempted) {
	const message = "attempt failed, trying again"
	if r.first(now, r.repeated, message+": "+do.result.err) {
		r.log.Warn(message, append(a.about(do.id),
			logx.NoticeID(do.id), logx.Attempt(do.attempt), logx.Delay(do.delay), zap.String("err", do.result.err))...)
	}
}

// about returns fields that describe a notice of the attempt, none if it could not be read.
func (a *attempted) about(id messages.NoticeID) []zap.Field {
	for i := range a.notices {
		if n := &a.notices[i]; n.ID == id {
			return []zap.Field{
				logx.ExecutionID(n.Alert.Event.ExecutionID), logx.TaskID(n.Alert.Event.TaskID),
				logx.TaskName(n.Alert.Event.TaskName), logx.Alert(n.Alert.Kind),
			}
		}
	}
	return nil
}

func (r *reporter) pause(now time.Time, do paused) {
	r.once(now, zapcore.WarnLevel, "throttled", "destination asks for a pause", logx.Delay(do.until.Sub(now)))
}

func (r *reporter) breaker(now time.Time, do breakerMoved) {
	if !do.open {
		r.log.Info("destination works again, circuit breaker closed")
		return
	}
	r.log.Warn("destination keeps failing, circuit breaker opened",
		logx.Delay(do.until.Sub(now)), zap.String("err", do.err))
}

// endings pairs the outcomes of a settlement with the notices that it ended. The other
// notices still wait, or had ended before.
func endings(s outbox.Settlement, ended []messages.NoticeSettled) iter.Seq2[*outbox.Outcome, *messages.NoticeSettled] {
	return func(yield func(*outbox.Outcome, *messages.NoticeSettled) bool) {
		for i := range s.Outcomes {
			o := &s.Outcomes[i]
			if o.Ended == 0 || len(ended) == 0 || ended[0].ID != o.ID {
				continue
			}
			if !yield(o, &ended[0]) {
				return
			}
			ended = ended[1:]
		}
	}
}

// ended logs the notices of a settlement that ended without being delivered.
func (r *reporter) ended(s outbox.Settlement, ended []messages.NoticeSettled) {
	for o, end := range endings(s, ended) {
		switch o.Ended {
		case messages.NoticeSuppressed:
			r.once(s.At, zapcore.InfoLevel, suppressedBy(*o), "alert suppressed",
				append(aboutEnd(end), logx.Reason(suppressedBy(*o)), zap.String("why", o.Reason))...)
		case messages.NoticeParked:
			r.park(s.At, o, end)
		case messages.NoticeDelivered:
		}
	}
}

// park logs that an alert is parked until an operator decides.
func (r *reporter) park(now time.Time, o *outbox.Outcome, end *messages.NoticeSettled) {
	const message = "alert parked"
	if r.first(now, r.parked, fmt.Sprintf("%s: %s: %s %s", message, o.Cause, cmp.Or(string(end.Key), string(end.ID)), end.TaskName)) {
		r.log.Error(message, append(aboutEnd(end),
			logx.Reason(string(o.Cause)), logx.Attempt(o.Attempts), zap.String("why", o.Reason))...)
	}
}

// aboutEnd returns fields that describe a notice that has ended, only its ID if it
// could not be read.
func aboutEnd(end *messages.NoticeSettled) []zap.Field {
	if end.Key == "" {
		return []zap.Field{logx.NoticeID(end.ID)}
	}
	return []zap.Field{
		logx.ExecutionID(string(end.Key)), logx.TaskName(end.TaskName), logx.Alert(end.Kind), logx.NoticeID(end.ID),
	}
}
