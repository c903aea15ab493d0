//go:build unix

package disklog

import (
	"os"
	"path"
	"syscall"
)

// handOver gives a file, and the directories above it below root, the owner and the
// group of root, where the process may: what somebody tries out as the superuser must
// not lock out the service, which stores there later. What cannot be given away stays.
func handOver(root *os.Root, file string) {
	if os.Geteuid() != 0 {
		return
	}
	info, err := root.Stat(".")
	if err != nil {
		return
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return
	}
	for ; file != "."; file = path.Dir(file) {
		give(root, file, owner)
	}
}

// give changes what it has looked at, and nothing that has a name elsewhere, too: the
// owner of the directory may have put a hard link to a file of the superuser there.
func give(root *os.Root, name string, to *syscall.Stat_t) {
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // or a pipe would be waited for
	if err != nil {
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return
	}
	if is, ok := info.Sys().(*syscall.Stat_t); ok && (info.IsDir() || is.Nlink == 1) {
		_ = file.Chown(int(to.Uid), int(to.Gid))
	}
}
