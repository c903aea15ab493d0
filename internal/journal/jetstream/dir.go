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

// lockName is the file that a process locks while it uses the directory.
const lockName = "LOCK"

// dirLock is the lock on a directory. It ends with the process, however that ends.
type dirLock struct{ file *os.File }

// lockDir creates the directory if it does not exist and locks it.
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
			return nil, fmt.Errorf("journal directory %s is in use by another process (%s): stop that one, or use another directory", dir, strings.TrimSpace(string(owner)))
		}
		return nil, fmt.Errorf("lock journal directory %s: %w", dir, err)
	}
	if err := file.Truncate(0); err == nil {
		fmt.Fprintf(file, "pid %d\n", os.Getpid())
	}
	return &dirLock{file: file}, nil
}

// inPlace returns an error if the locked file is not the one in the directory any more:
// somebody has removed or replaced the directory. What this process writes to the files
// that it has open is then gone when it ends, and another process can use the directory.
func (l *dirLock) inPlace() error {
	held, err := l.file.Stat()
	if err != nil {
		return nil //nolint:nilerr // closed
	}
	switch found, err := os.Stat(l.file.Name()); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s has been removed", l.file.Name())
	case err == nil && !os.SameFile(held, found):
		return fmt.Errorf("%s has been replaced", l.file.Name())
	}
	return nil // any other trouble is one of the next write, too
}

// release releases the lock.
func (l *dirLock) release() error { return l.file.Close() }

// Stranger returns the user who opened the journal in a directory last, or "" if that
// is the user of this process or nobody. Opening a journal replaces files that only
// their owner may read: if root opens the journal of a service to look into it, the
// service cannot start any more. Without permission to see those files, Stranger
// returns the owner of the directory.
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

// Space in bytes that a probe needs: to start a server, and to append again to a disk
// that was full.
const (
	roomToStart  = 64 << 10
	roomToAppend = 8 << 20
)

// probe returns nil if size bytes can be written in dir, or else an error of the port.
func probe(dir string, size int) error {
	path := filepath.Join(dir, "PROBE")
	err := writeSynced(path, size)
	if err = errors.Join(err, os.Remove(path)); err != nil {
		return storageError(err)
	}
	return nil
}

// The reserve is a file that only occupies space. Trimming a log has to write before
// it frees space, so on a full disk the reserve is removed for that, and written
// again afterwards.
const (
	reserveName = "RESERVE"
	reserveSize = 16 << 20
)

// keepReserve writes the reserve if it does not exist and there is space for it.
func (s *Store) keepReserve() {
	path := filepath.Join(s.opts.Dir, reserveName)
	if info, err := os.Stat(path); err == nil && info.Size() == reserveSize {
		return
	}
	if err := writeSynced(path, reserveSize); err != nil {
		s.log.Warn("journal has no disk space in reserve", logx.Err(errors.Join(err, os.Remove(path))))
	}
}

// dropReserve removes the reserve. It ignores errors: the file may not exist.
func dropReserve(dir string) { _ = os.Remove(filepath.Join(dir, reserveName)) }

// zerosAtOnce bounds the buffer for writing a file of zeros.
const zerosAtOnce = 256 << 10

// writeSynced writes a file of size zero bytes and syncs it.
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
