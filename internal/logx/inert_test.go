package logx_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"

	"go.uber.org/zap"

	"butler/internal/logx"
)

func TestNew_linesCannotControlATerminal(t *testing.T) {
	const hostile = "a\r\n\x1b[2Jb\x7fc\u0085\u009b31md\u202ee\u2028f\u2066g ä \xff"
	for _, terminal := range []bool{false, true} {
		var out bytes.Buffer
		log, done, err := logx.New(logx.Options{Level: "info", Output: &out, Terminal: terminal})
		if err != nil {
			t.Fatal(err)
		}
		log.Named("part").With(zap.String("with", hostile)).Info("said", zap.String("text", hostile), zap.Strings("list", []string{hostile}))
		if err := done(); err != nil {
			t.Fatal(err)
		}
		line := strings.TrimSuffix(out.String(), "\n")
		own := strings.NewReplacer("\x1b[34m", "", "\x1b[0m", "").Replace(line) // the colours of a level
		if strings.ContainsFunc(own, func(r rune) bool { return unicode.IsControl(r) || r == '\u202e' || r == '\u2028' || r == '\u2066' }) {
			t.Errorf("terminal %v: the line can do more than be read: %q", terminal, line)
		}
		if terminal {
			continue
		}
		var fields struct{ Text, With string }
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		if want := strings.ToValidUTF8(hostile, "\uFFFD"); fields.Text != want || fields.With != want {
			t.Errorf("the text reads back as %q and %q, want %q", fields.Text, fields.With, want)
		}
	}
}
