package logx

import (
	"fmt"
	"io"
	"os"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Options configure New. The zero value logs Info to standard output.
type Options struct {
	// Level is one of Levels. The last three show the same lines: there is one level
	// of detail below info.
	Level string
	// Adjust is set to Level and controls the level from then on; nil means a fixed level.
	Adjust *zap.AtomicLevel
	// Directory receives daily files butler.YYYY-MM-DD.log; "" writes none.
	Directory string
	// Output is the destination of lines; nil means standard output.
	Output io.Writer
	// Terminal writes lines for people instead of JSON.
	Terminal bool
	// Counter is called with the level of every line written; nil to ignore it.
	Counter func(level string)
}

// Levels are the levels of the configuration, from the fewest lines to the most.
func Levels() []string { return []string{"error", "warn", "info", "verbose", "debug", "silly"} }

// levels maps the configuration's levels to zap's.
var levels = map[string]zapcore.Level{
	"error": zap.ErrorLevel, "warn": zap.WarnLevel, "info": zap.InfoLevel, "": zap.InfoLevel,
	"verbose": zap.DebugLevel, "debug": zap.DebugLevel, "silly": zap.DebugLevel,
}

// LevelOf returns the level that a name in the configuration stands for.
func LevelOf(name string) (zapcore.Level, error) {
	level, ok := levels[name]
	if !ok {
		return 0, fmt.Errorf("log level %q is not one of %s", name, strings.Join(Levels(), ", "))
	}
	return level, nil
}

// New returns a logger and the function that flushes and closes its files.
func New(o Options) (*zap.Logger, func() error, error) {
	level, err := LevelOf(o.Level)
	if err != nil {
		return nil, nil, err
	}
	var enabled zapcore.LevelEnabler = level
	if o.Adjust != nil {
		o.Adjust.SetLevel(level)
		enabled = o.Adjust
	}
	if o.Output == nil {
		o.Output = os.Stdout
	}
	cores := []zapcore.Core{zapcore.NewCore(encoder(o.Terminal), zapcore.Lock(zapcore.AddSync(o.Output)), enabled)}
	closeFiles := func() error { return nil }
	if o.Directory != "" {
		file, err := openDaily(o.Directory)
		if err != nil {
			return nil, nil, err
		}
		cores = append(cores, zapcore.NewCore(encoder(false), file, enabled))
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
		return inert{zapcore.NewJSONEncoder(c)}
	}
	c.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
	c.EncodeLevel = zapcore.CapitalColorLevelEncoder
	c.ConsoleSeparator = "  "
	return inert{zapcore.NewConsoleEncoder(c)}
}

// IsTerminal reports whether standard output is a terminal.
func IsTerminal() bool {
	info, err := os.Stdout.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
