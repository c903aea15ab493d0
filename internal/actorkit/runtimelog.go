package actorkit

import "go.uber.org/zap/zapcore"

// warnings is a core that drops lines below Warn. For the others, the level of the
// wrapped core applies, which may change.
type warnings struct{ zapcore.Core }

// Enabled implements zapcore.Core.
func (w warnings) Enabled(level zapcore.Level) bool {
	return level >= zapcore.WarnLevel && w.Core.Enabled(level)
}

// With implements zapcore.Core.
func (w warnings) With(fields []zapcore.Field) zapcore.Core { return warnings{w.Core.With(fields)} }

// Check implements zapcore.Core.
func (w warnings) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if !w.Enabled(entry.Level) {
		return checked
	}
	return w.Core.Check(entry, checked)
}
