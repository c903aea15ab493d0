//go:build unix

package wholefile

import (
	"io/fs"
	"os"
	"path"
	"syscall"
)

// keepOwner gives a file the owner and the group of the one that it replaces.
// Whoever is not root may give it a group of their own at the most.
func keepOwner(file *os.File, before fs.FileInfo) {
	was, ok := before.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	if err := file.Chown(int(was.Uid), int(was.Gid)); err != nil {
		_ = file.Chown(-1, int(was.Gid))
	}
}

// HandOver gives a file, and the directories above it below root, to whom root belongs,
// where the process may: what somebody does as the superuser must not lock out the
// service. What cannot be given away stays, and so does what belongs to somebody else
// than the superuser. It reports that the group of root is all that was given: then the
// group must be let in, too.
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
		// A directory of the superuser into which one group is let, and nobody else, is there for that.
		if group = to.Gid != 0 && info.Mode().Perm()&0o057 == 0o050; !group {
			return false
		}
	}
	for ; file != "."; file = path.Dir(file) {
		give(root, file, to)
	}
	return group
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
	if is, ok := info.Sys().(*syscall.Stat_t); ok && is.Uid == 0 && (info.IsDir() || is.Nlink == 1) {
		_ = file.Chown(int(to.Uid), int(to.Gid))
	}
}
