package jetstream

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"butler/internal/filelock"
	"butler/internal/logx"
)

// lockName is the file whose lock says that a process uses the directory.
const lockName = "LOCK"

// dirLock is the right to use a directory. It ends with the process, however that ends.
type dirLock struct{ file *os.File }

// lockDir creates the directory when it is missing and takes its lock.
func lockDir(dir string) (*dirLock, error) {
	if dir == "" {
		return nil, errors.New("the journal needs a directory")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create journal directory: %w", err)
	}
	path := filepath.Join(dir, lockName)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal directory %s is not writable: %w", dir, err)
	}
	if err := filelock.Try(file); err != nil {
		owner, _ := os.ReadFile(path)
		file.Close()
		if errors.Is(err, filelock.ErrLocked) {
			return nil, fmt.Errorf("journal directory %s is in use by another process (%s)", dir, strings.TrimSpace(string(owner)))
		}
		return nil, fmt.Errorf("lock journal directory %s: %w", dir, err)
	}
	if err := file.Truncate(0); err == nil {
		fmt.Fprintf(file, "pid %d\n", os.Getpid())
	}
	return &dirLock{file: file}, nil
}

// release gives the lock back.
func (l *dirLock) release() error { return l.file.Close() }

// Stranger returns the user who opened the journal in a directory last, or "" when
// that is the one of this process or nobody. Whoever opens it replaces files that
// only their owner may read, so a stranger could not open it any more: root may look
// into the journal of a service and keep it from starting by that. To whom that is
// not shown, the directory belongs to somebody else.
func Stranger(dir string) string {
	file, err := os.Stat(filepath.Join(dir, diaryName))
	if errors.Is(err, fs.ErrPermission) {
		file, err = os.Stat(dir)
	}
	if err != nil {
		return ""
	}
	return stranger(file)
}

// How much room a probe looks for: to start a server, and to append to a disk that was full.
const (
	roomToStart  = 64 << 10
	roomToAppend = 8 << 20
)

// probe reports in the words of the port why dir does not take size bytes, or nil.
func probe(dir string, size int) error {
	path := filepath.Join(dir, "PROBE")
	err := writeSynced(path, size)
	if err = errors.Join(err, os.Remove(path)); err != nil {
		return storageError(err)
	}
	return nil
}

// The reserve is a file that does nothing but take room. Trimming a log writes
// before it frees, so on a full disk the reserve is given up for that, and taken
// again afterwards.
const (
	reserveName = "RESERVE"
	reserveSize = 16 << 20
)

// keepReserve takes the reserve if it is not there and there is room for it.
func (s *Store) keepReserve() {
	path := filepath.Join(s.opts.Dir, reserveName)
	if info, err := os.Stat(path); err == nil && info.Size() == reserveSize {
		return
	}
	if err := writeSynced(path, reserveSize); err != nil {
		s.log.Warn("journal has no disk space in reserve", logx.Err(errors.Join(err, os.Remove(path))))
	}
}

// dropReserve gives the reserve up. That it is missing already is as good.
func dropReserve(dir string) { _ = os.Remove(filepath.Join(dir, reserveName)) }

// zerosAtOnce bounds the memory of a file of zeros.
const zerosAtOnce = 256 << 10

// writeSynced writes a file of zeros that is on disk when it returns.
func writeSynced(path string, size int) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	zeros := make([]byte, min(size, zerosAtOnce))
	for left := size; left > 0 && err == nil; left -= len(zeros) {
		_, err = file.Write(zeros[:min(left, len(zeros))])
	}
	return errors.Join(err, file.Sync(), file.Close())
}
