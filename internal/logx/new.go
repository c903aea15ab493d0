package logx

import (
	"fmt"
	"io"
	"os"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Options configure New. The zero value logs Info to standard output.
type Options struct {
	// Level is one of error, warn, info, verbose, debug, silly. The last three
	// show the same lines: there is one level of detail below info.
	Level string
	// Directory receives daily files butler.YYYY-MM-DD.log; "" writes none.
	Directory string
	// Output is where lines go; nil means standard output.
	Output io.Writer
	// Terminal writes lines for people instead of JSON.
	Terminal bool
	// Counter is called with the level of every line written; nil to ignore it.
	Counter func(level string)
}

// levels maps the configuration's levels to zap's.
var levels = map[string]zapcore.Level{
	"error": zap.ErrorLevel, "warn": zap.WarnLevel, "info": zap.InfoLevel, "": zap.InfoLevel,
	"verbose": zap.DebugLevel, "debug": zap.DebugLevel, "silly": zap.DebugLevel,
}

// New returns a logger and the function that flushes and closes its files.
func New(o Options) (*zap.Logger, func() error, error) {
	level, ok := levels[o.Level]
	if !ok {
		return nil, nil, fmt.Errorf("log level %q is not one of error, warn, info, verbose, debug, silly", o.Level)
	}
	if o.Output == nil {
		o.Output = os.Stdout
	}
	cores := []zapcore.Core{zapcore.NewCore(encoder(o.Terminal), zapcore.Lock(zapcore.AddSync(o.Output)), level)}
	closeFiles := func() error { return nil }
	if o.Directory != "" {
		file, err := openDaily(o.Directory)
		if err != nil {
			return nil, nil, err
		}
		cores = append(cores, zapcore.NewCore(encoder(false), file, level))
		closeFiles = file.Close
	}
	var hooks []zap.Option
	if o.Counter != nil {
		hooks = append(hooks, zap.Hooks(func(e zapcore.Entry) error {
			o.Counter(e.Level.String())
			return nil
		}))
	}
	return zap.New(zapcore.NewTee(cores...), hooks...), closeFiles, nil
}

func encoder(terminal bool) zapcore.Encoder {
	c := zap.NewProductionEncoderConfig()
	c.TimeKey, c.MessageKey, c.NameKey, c.CallerKey = "time", "msg", "component", ""
	c.EncodeTime = zapcore.ISO8601TimeEncoder
	c.EncodeDuration = zapcore.StringDurationEncoder
	if !terminal {
		c.EncodeTime = zapcore.RFC3339NanoTimeEncoder
		return zapcore.NewJSONEncoder(c)
	}
	c.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
	c.EncodeLevel = zapcore.CapitalColorLevelEncoder
	c.ConsoleSeparator = "  "
	return zapcore.NewConsoleEncoder(c)
}

// IsTerminal reports whether standard output is a terminal.
func IsTerminal() bool {
	info, err := os.Stdout.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
