package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"

	"go.uber.org/zap"

	"butler/internal/logx"
)

// How a process ended by itself, in the journal directory: the present one
// writes the first, the second is that of the last crash.
const (
	crashReport = "crash.txt"
	lastReport  = "crash-last.txt"
)

// crashShown is how much of a report is logged, in bytes: the reason and the
// stack that it happened on come first.
const crashShown = 4 << 10

// watchCrash finds out whether the process before this one crashed by itself,
// and has the runtime write down a crash of this one. Without it the service
// runs as well, only less wise after a crash.
func (a *App) watchCrash(dir string) {
	report, err := reportCrash(dir)
	if err != nil {
		a.log.Warn("a crash of the process will not be remembered", logx.Path(dir), logx.Err(err))
	}
	a.foundation.add("crash report", func(context.Context) error { return debug.SetCrashOutput(nil, debug.CrashOptions{}) })
	if a.crashed = len(report) > 0; a.crashed {
		a.log.Error("the last process crashed, please report it", logx.Path(filepath.Join(dir, lastReport)),
			zap.ByteString("report", report[:min(len(report), crashShown)]))
	}
}

// reportCrash returns what the process before this one wrote when it crashed,
// nothing when it was stopped or killed, and has the runtime write to the same place.
func reportCrash(dir string) (before []byte, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("read the last crash: %w", err)
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	before, err = root.ReadFile(crashReport)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the last crash: %w", err)
	}
	if len(before) > 0 {
		if err := root.Rename(crashReport, lastReport); err != nil {
			return before, fmt.Errorf("keep the last crash: %w", err)
		}
	}
	file, err := root.OpenFile(crashReport, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return before, fmt.Errorf("make room for a crash: %w", err)
	}
	if err := debug.SetCrashOutput(file, debug.CrashOptions{}); err != nil {
		return before, errors.Join(fmt.Errorf("watch for a crash: %w", err), file.Close())
	}
	return before, file.Close() // the runtime has a handle of its own
}
