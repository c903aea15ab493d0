package logx

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"

	"butler/internal/text"
)

// inert is an encoder whose lines cannot control a terminal. The encoders of zap escape
// only ASCII control characters; inert also escapes the others, and those that override
// the direction of text, as \uXXXX.
type inert struct{ zapcore.Encoder }

// Clone implements zapcore.Encoder.
func (e inert) Clone() zapcore.Encoder { return inert{e.Encoder.Clone()} }

// EncodeEntry implements zapcore.Encoder.
func (e inert) EncodeEntry(entry zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	line, err := e.Encoder.EncodeEntry(entry, fields)
	if err != nil || bytes.IndexFunc(line.Bytes(), needsEscape) < 0 {
		return line, err
	}
	text := bytes.Clone(line.Bytes())
	line.Reset()
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		if needsEscape(r) {
			_, _ = fmt.Fprintf(line, `\u%04x`, r) // a buffer does not fail
		} else {
			_, _ = line.Write(text[:size])
		}
		text = text[size:]
	}
	return line, nil
}

// needsEscape reports whether r has to be escaped. ASCII is left out: its control characters
// in the line are the encoder's own line ends and colours.
func needsEscape(r rune) bool { return r >= 0x7f && text.IsHostile(r) }
