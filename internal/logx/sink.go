package logx

import (
	"strings"

	"go.uber.org/zap/zapcore"
)

// Sink returns a core that calls write with every line at Warn and above: the message,
// followed by its fields as members of a JSON object.
func Sink(write func(line string)) zapcore.Core { return &sink{write: write} }

type sink struct {
	write  func(string)
	fields []zapcore.Field
}

// Enabled implements zapcore.Core.
func (s *sink) Enabled(level zapcore.Level) bool { return level >= zapcore.WarnLevel }

// With implements zapcore.Core.
func (s *sink) With(fields []zapcore.Field) zapcore.Core {
	return &sink{write: s.write, fields: append(s.fields[:len(s.fields):len(s.fields)], fields...)}
}

// Check implements zapcore.Core.
func (s *sink) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if s.Enabled(e.Level) {
		return checked.AddCore(e, s)
	}
	return checked
}

// Write implements zapcore.Core.
func (s *sink) Write(e zapcore.Entry, fields []zapcore.Field) error {
	line, err := encoder(false).EncodeEntry(zapcore.Entry{Message: e.Message}, append(s.fields[:len(s.fields):len(s.fields)], fields...))
	if err != nil {
		return err
	}
	defer line.Free()
	_, details, _ := strings.Cut(strings.TrimSpace(line.String()), `"msg":"`+e.Message+`"`)
	s.write(e.Message + strings.TrimSuffix(strings.Replace(details, ",", " ", 1), "}"))
	return nil
}

// Sync implements zapcore.Core.
func (s *sink) Sync() error { return nil }
