//go:build unix

package wholefile

import (
	"io/fs"
	"os"
	"path"
	"syscall"
)

// keepOwner gives a file the owner and the group of the one that it replaces. Without
// root, a process can at most set one of its own groups.
func keepOwner(file *os.File, before fs.FileInfo) {
	was, ok := before.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	if err := file.Chown(int(was.Uid), int(was.Gid)); err != nil {
		_ = file.Chown(-1, int(was.Gid))
	}
}

// HandOver gives a file, and the directories between it and root, to the owner of
// root: a command that is run as the superuser must not lock the service out of its
// files. It changes only what belongs to the superuser, and ignores errors. When the
// owner of root is the superuser itself, it gives at most the group of root, and then
// returns true: the caller has to grant the group access.
func HandOver(root *os.Root, file string) (group bool) {
	if os.Geteuid() != 0 {
		return false
	}
	info, err := root.Stat(".")
	if err != nil {
		return false
	}
	to, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return false
	case to.Uid == 0:
		// A directory that only root and one group may enter is meant for that group.
		if group = to.Gid != 0 && info.Mode().Perm()&0o057 == 0o050; !group {
			return false
		}
	}
	for ; file != "."; file = path.Dir(file) {
		giveTo(root, file, to)
	}
	return group
}

// giveTo changes the owner of the file that it has opened and checked. It skips a file
// with several hard links: the owner of the directory may have created a link to a file
// of the superuser.
func giveTo(root *os.Root, name string, to *syscall.Stat_t) {
	file, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // opening a pipe must not wait
	if err != nil {
		return
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return
	}
	if is, ok := info.Sys().(*syscall.Stat_t); ok && is.Uid == 0 && (info.IsDir() || is.Nlink == 1) {
		_ = file.Chown(int(to.Uid), int(to.Gid))
	}
}
