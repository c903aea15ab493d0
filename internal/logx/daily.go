package logx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// keepDays is how long daily files are kept.
const keepDays = 30

// FilePattern matches the names of the daily files.
const FilePattern = dailyPrefix + "*" + dailySuffix

const (
	dailyPrefix = "butler."
	dailySuffix = ".log"
	dayLayout   = "2006-01-02"
)

// daily is a log with one file per day of local time. The first write of a day opens the
// new file and removes those older than keepDays. It is safe for concurrent use.
type daily struct {
	directory string
	now       func() time.Time

	mu   sync.Mutex
	day  string
	file *os.File
}

func openDaily(directory string) (*daily, error) {
	if err := os.MkdirAll(directory, 0o750); err != nil {
		return nil, fmt.Errorf("create log directory: %w", err)
	}
	d := &daily{directory: directory, now: time.Now}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d, d.openLocked(d.now())
}

// Write implements zapcore.WriteSyncer.
func (d *daily) Write(line []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := d.now(); now.Format(dayLayout) != d.day {
		if err := d.openLocked(now); err != nil {
			return 0, err
		}
	}
	return d.file.Write(line)
}

// Sync implements zapcore.WriteSyncer.
func (d *daily) Sync() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.file.Sync()
}

// Close closes the file of the day.
func (d *daily) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return errors.Join(d.file.Sync(), d.file.Close())
}

func (d *daily) openLocked(now time.Time) error {
	day := now.Format(dayLayout)
	file, err := os.OpenFile(filepath.Join(d.directory, dailyPrefix+day+dailySuffix), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("open log file: %w", err)
	}
	if d.file != nil {
		_ = d.file.Close()
	}
	d.file, d.day = file, day
	d.removeOld(now)
	return nil
}

// removeOld deletes daily files older than keepDays. It ignores errors, because they must
// not prevent logging.
func (d *daily) removeOld(now time.Time) {
	entries, err := os.ReadDir(d.directory)
	if err != nil {
		return
	}
	for _, e := range entries {
		day, isOurs := strings.CutPrefix(e.Name(), dailyPrefix)
		day, hasSuffix := strings.CutSuffix(day, dailySuffix)
		at, err := time.ParseInLocation(dayLayout, day, now.Location())
		if !isOurs || !hasSuffix || err != nil || now.Sub(at) <= keepDays*24*time.Hour {
			continue
		}
		_ = os.Remove(filepath.Join(d.directory, e.Name()))
	}
}
