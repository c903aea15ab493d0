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

// The crash reports in the journal directory: the runtime writes the first when this
// process crashes, the second is that of the last crash.
const (
	crashReport = "crash.txt"
	lastReport  = "crash-last.txt"
)

// crashShown is how many bytes of a report are logged. It begins with the reason and
// the stack of the goroutine that crashed.
const crashShown = 4 << 10

// watchCrash finds out whether the previous process crashed, and has the runtime
// write a report if this one does. An error is only logged: without reports, a crash
// cannot be told from a kill after the next start.
func (a *App) watchCrash(dir string) {
	report, err := collectCrashReport(dir)
	if err != nil {
		a.log.Warn("no report will be written if this process crashes", logx.Path(dir), logx.Err(err))
	}
	a.foundation.add("crash report", func(context.Context) error { return debug.SetCrashOutput(nil, debug.CrashOptions{}) })
	if a.crashed = len(report) > 0; a.crashed {
		a.log.Error("the previous process crashed, please report it", logx.Path(filepath.Join(dir, lastReport)),
			zap.ByteString("report", report[:min(len(report), crashShown)]))
	}
}

// collectCrashReport returns the crash report of the previous process, nil when it was
// stopped or killed, and has the runtime write a crash of this one to the same file.
func collectCrashReport(dir string) (before []byte, err error) {
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
	return before, file.Close() // the runtime has duplicated the handle
}
