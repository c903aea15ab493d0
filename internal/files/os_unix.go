//go:build unix

package files

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// nonBlocking opens a FIFO without waiting for its other end.
const nonBlocking = unix.O_NONBLOCK

// accessTime returns the access time, or the modification time if it is not available.
func accessTime(dir *os.Root, name string, info fs.FileInfo) time.Time {
	accessed := info.ModTime()
	_ = withHandle(dir, func(handle int) error {
		var stat unix.Stat_t
		if err := unix.Fstatat(handle, name, &stat, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
		accessed = time.Unix(stat.Atim.Unix())
		return nil
	})
	return accessed
}

// unlink removes a name. It fails for a directory.
func unlink(dir *os.Root, name string) error {
	return withHandle(dir, func(handle int) error { return unix.Unlinkat(handle, name, 0) })
}

// syncDir makes the names in a directory durable.
func syncDir(dir *os.Root) error {
	handle, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer handle.Close()
	return handle.Sync()
}

// rename moves between two directories, which a Root cannot do. It replaces only files,
// and only if how says so.
func rename(from, to *operand, how existing) error {
	err := withHandle(from.dir, func(oldDir int) error {
		return withHandle(to.dir, func(newDir int) error {
			if how == replace {
				return unix.Renameat(oldDir, from.name, newDir, to.name)
			}
			return renameNew(oldDir, from.name, newDir, to.name)
		})
	})
	if errors.Is(err, unix.EXDEV) {
		return errOtherDevice
	}
	return err
}

func withHandle(dir *os.Root, do func(handle int) error) error {
	handle, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer handle.Close()
	raw, err := handle.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = raw.Control(func(fd uintptr) { result = do(int(fd)) })
	return errors.Join(err, result)
}

// renameUnlessThere checks for the new name and renames. A file that appears in between
// is replaced.
func renameUnlessThere(oldDir int, oldName string, newDir int, newName string) error {
	var stat unix.Stat_t
	if err := unix.Fstatat(newDir, newName, &stat, unix.AT_SYMLINK_NOFOLLOW); !errors.Is(err, unix.ENOENT) {
		return errors.Join(err, unix.EEXIST)
	}
	return unix.Renameat(oldDir, oldName, newDir, newName)
}
