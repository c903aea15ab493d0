package files

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"
	"unsafe"

	win "golang.org/x/sys/windows"
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

// rename moves between two directories, which a Root cannot do. It replaces only files,
// and only if how says so.
func rename(from, to *operand, how existing) error {
	err := withHandle(from.dir, func(oldDir win.Handle) error {
		source, err := openToRename(oldDir, from.name)
		if err != nil {
			return err
		}
		defer func() { _ = win.CloseHandle(source) }() // nothing is written through it
		return withHandle(to.dir, func(newDir win.Handle) error { return renameTo(source, newDir, to.name, how) })
	})
	if slices.ContainsFunc(otherDevice, func(errno syscall.Errno) bool { return errors.Is(err, errno) }) {
		return errOtherDevice
	}
	return err
}

// otherDevice is how a move to another disk or share is refused. File servers need not
// know moves between two open directories.
var otherDevice = []syscall.Errno{win.ERROR_NOT_SAME_DEVICE, win.ERROR_INVALID_PARAMETER, win.ERROR_NOT_SUPPORTED, win.ERROR_INVALID_FUNCTION}

func withHandle(dir *os.Root, do func(handle win.Handle) error) error {
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
	err = raw.Control(func(fd uintptr) { result = do(win.Handle(fd)) })
	return errors.Join(err, result)
}

// openToRename opens what has the name in dir, a link itself and not its target.
func openToRename(dir win.Handle, name string) (win.Handle, error) {
	text, err := win.NewNTUnicodeString(name)
	if err != nil {
		return win.InvalidHandle, err
	}
	attributes := win.OBJECT_ATTRIBUTES{RootDirectory: dir, ObjectName: text, Attributes: win.OBJ_CASE_INSENSITIVE}
	attributes.Length = uint32(unsafe.Sizeof(attributes))
	const (
		shared  = win.FILE_SHARE_READ | win.FILE_SHARE_WRITE | win.FILE_SHARE_DELETE
		options = win.FILE_OPEN_REPARSE_POINT | win.FILE_OPEN_FOR_BACKUP_INTENT | win.FILE_SYNCHRONOUS_IO_NONALERT
	)
	var handle win.Handle
	err = win.NtCreateFile(&handle, win.DELETE|win.SYNCHRONIZE, &attributes, &win.IO_STATUS_BLOCK{}, nil, 0, shared, win.FILE_OPEN, options, 0, 0)
	return handle, dosError(err)
}

// renaming is FILE_RENAME_INFORMATION of Windows with room for the longest name.
type renaming struct {
	flags      uint32
	directory  win.Handle
	nameLength uint32
	name       [maxName + 1]uint16
}

// posixRename is FileRenameInformationEx, by which even a file that others have open is replaced.
const posixRename = 65

// renameTo gives what is open as source a name in dir.
func renameTo(source, dir win.Handle, name string, how existing) error {
	text, err := win.UTF16FromString(name)
	if err != nil {
		return err
	}
	r := renaming{directory: dir, nameLength: uint32(len(text)-1) * 2}
	if copy(r.name[:], text) < len(text) {
		return syscall.ENAMETOOLONG
	}
	if how == replace {
		r.flags = win.FILE_RENAME_REPLACE_IF_EXISTS
	}
	ask := func(class uint32) error {
		return dosError(win.NtSetInformationFile(source, &win.IO_STATUS_BLOCK{}, (*byte)(unsafe.Pointer(&r)), uint32(unsafe.Sizeof(r)), class))
	}
	plain := r.flags
	r.flags |= win.FILE_RENAME_POSIX_SEMANTICS
	if ask(posixRename) == nil {
		return nil
	}
	// Older systems and file systems other than NTFS do not know it.
	r.flags = plain
	return ask(win.FileRenameInformation)
}

// dosError returns the error that other calls of Windows would return.
func dosError(err error) error {
	if status, ok := errors.AsType[win.NTStatus](err); ok {
		return status.Errno()
	}
	return err
}
