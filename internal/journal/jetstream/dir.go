package jetstream

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// lockName is the file whose lock says that a process uses the directory.
const lockName = "LOCK"

// errLocked is what tryLock answers when another process has the lock.
var errLocked = errors.New("locked by another process")

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
	if err := tryLock(file); err != nil {
		owner, _ := os.ReadFile(path)
		file.Close()
		if errors.Is(err, errLocked) {
			return nil, fmt.Errorf("journal directory %s is in use by another process (%s)", dir, strings.TrimSpace(string(owner)))
		}
		return nil, fmt.Errorf("lock journal directory %s: %w", dir, err)
	}
	if err := file.Truncate(0); err == nil {
		fmt.Fprintf(file, "pid %d\n", os.Getpid())
	}
	return &dirLock{file: file}, nil
}

// release gives the lock back. A nil lock has nothing to give.
func (l *dirLock) release() error {
	if l == nil {
		return nil
	}
	return l.file.Close()
}

// probeName is a file that is written and removed to learn whether the directory takes data.
const (
	probeName = "PROBE"
	probeSize = 64 << 10
)

// probe reports in the words of the port why nothing can be written to dir, or nil.
func probe(dir string) error {
	path := filepath.Join(dir, probeName)
	err := writeSynced(path, make([]byte, probeSize))
	err = errors.Join(err, os.Remove(path))
	if err != nil {
		return storageError(err)
	}
	return nil
}

func writeSynced(path string, body []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(body)
	return errors.Join(err, file.Sync(), file.Close())
}
