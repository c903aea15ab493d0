//go:build unix

package wholefile

import (
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives a file the owner and the group of the one that it replaces.
// Whoever is not root may give it a group of their own at the most.
func keepOwner(file *os.File, before fs.FileInfo) {
	if before == nil {
		return
	}
	was, ok := before.Sys().(*syscall.Stat_t)
	if !ok {
		return
	}
	if err := file.Chown(int(was.Uid), int(was.Gid)); err != nil {
		_ = file.Chown(-1, int(was.Gid))
	}
}
