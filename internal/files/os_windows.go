package files

import (
	"io/fs"
	"os"
	"syscall"
	"time"
)

// nonBlocking has no effect on Windows, where FIFOs have no names in directories.
const nonBlocking = 0

// accessTime returns the access time, or the modification time if it is not available.
func accessTime(_ *os.Root, _ string, info fs.FileInfo) time.Time {
	if data, ok := info.Sys().(*syscall.Win32FileAttributeData); ok {
		return time.Unix(0, data.LastAccessTime.Nanoseconds())
	}
	return info.ModTime()
}

// unlink removes a name. The caller has checked that it is not a directory.
func unlink(dir *os.Root, name string) error { return dir.Remove(name) }

// syncDir does nothing: Windows has no such call.
func syncDir(*os.Root) error { return nil }

// rename moves inside one approved directory. A Root cannot move between two of them, so
// they are treated as different devices.
func rename(from, to *operand, how existing) error {
	source, err := from.root.Stat(".")
	if err != nil {
		return err
	}
	target, err := to.root.Stat(".")
	if err != nil {
		return err
	}
	if !os.SameFile(source, target) {
		return errOtherDevice
	}
	if _, err := from.root.Lstat(to.rel); err == nil && how != replace {
		return fs.ErrExist
	}
	return from.root.Rename(from.rel, to.rel)
}
