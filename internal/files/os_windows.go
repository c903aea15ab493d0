package files

import (
	"io/fs"
	"os"
	"syscall"
	"time"
)

// nonBlocking is nothing here: no name of a FIFO leads into a directory.
const nonBlocking = 0

// accessTime is when something was last read.
func accessTime(_ *os.Root, _ string, info fs.FileInfo) time.Time {
	if data, ok := info.Sys().(*syscall.Win32FileAttributeData); ok {
		return time.Unix(0, data.LastAccessTime.Nanoseconds())
	}
	return info.ModTime()
}

// unlink removes a name. Its caller has seen that it is no directory's.
func unlink(dir *os.Root, name string) error { return dir.Remove(name) }

// syncDir does nothing: the system has no such call.
func syncDir(*os.Root) error { return nil }

// rename moves inside one approved directory. Between two of them a Root cannot,
// so they count as devices of their own.
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
