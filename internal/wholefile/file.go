// Package wholefile owns reading and replacing small files that people may also edit:
// always as a whole.
//
// It guarantees that reading ends, whatever is at the path; that after a crash a file
// has either its old or its new content; that a change made by somebody else since the
// file was read is not overwritten; that a replaced file keeps its owner, as far as the
// system permits, and a symbolic link to it stays a link; and that a new file made by
// the superuser can be read by the owner of its directory. It must never keep a file
// open.
package wholefile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// Read returns the content of a regular file of at most most bytes, and its FileInfo
// from before it was read, with which Same and Replace detect a later change.
func Read(path string, most int64) ([]byte, fs.FileInfo, error) {
	// Without O_NONBLOCK, opening a pipe waits until somebody writes to it.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, errors.New("it is not a regular file")
	}
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil {
		return nil, nil, err
	}
	if int64(len(text)) > most {
		return nil, nil, fmt.Errorf("it is longer than %d MiB", most>>20)
	}
	return text, info, nil
}

// Same reports whether a file looks unchanged.
func Same(before, now fs.FileInfo) bool {
	return os.SameFile(now, before) && now.Size() == before.Size() &&
		now.ModTime().Equal(before.ModTime()) && now.Mode() == before.Mode()
}

// Target returns the path with symbolic links resolved, or the path itself when that
// fails.
func Target(path string) string {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	return path
}

// Replace replaces the content of a file. It does nothing, and returns false, when the
// file has changed since before; a nil before means that it did not exist.
func Replace(path string, before fs.FileInfo, text []byte, mode fs.FileMode) (replaced bool, err error) {
	target := Target(path)
	temporary, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+".*.tmp")
	if err != nil {
		return false, err
	}
	name := temporary.Name()
	defer func() {
		if !replaced {
			err = errors.Join(err, os.Remove(name))
		}
	}()
	if err := writeNew(temporary, before, text, mode); err != nil {
		return false, err
	}
	switch now, err := os.Stat(target); {
	case errors.Is(err, fs.ErrNotExist):
		if before != nil {
			return false, nil
		}
	case err != nil:
		return false, err
	case before == nil || !Same(before, now):
		return false, nil
	}
	switch err := rename(name, target); {
	case errors.Is(err, syscall.EBUSY):
		return false, fmt.Errorf("%w; in a container, mount the directory of the file instead of the file", err)
	case err != nil:
		return false, err
	}
	return true, syncDirectory(filepath.Dir(target))
}

func writeNew(file *os.File, before fs.FileInfo, text []byte, mode fs.FileMode) error {
	_, err := file.Write(text)
	if err == nil {
		switch {
		case before != nil:
			keepOwner(file, before)
		case HandOverAt(file.Name()):
			mode |= 0o040
		}
		err = file.Chmod(mode)
	}
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// HandOverAt calls HandOver with the directory of the file as the root.
func HandOverAt(path string) (group bool) {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return false
	}
	defer root.Close()
	return HandOver(root, filepath.Base(path))
}

// syncDirectory makes a rename durable. Windows has no equivalent.
func syncDirectory(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Openable returns nil for a regular file that can be opened for reading, and the error
// otherwise. It does not open other kinds of files: opening a pipe would wait forever.
func Openable(file string) error {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	return f.Close()
}
