//go:build unix

package jetstream

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
)

// ways counts the links made by this process, so that no two have the same name.
var ways atomic.Int64

// linkTo returns a new path to a directory, or the directory itself on a file system
// without symbolic links; there an abandoned server keeps its access to the files.
func linkTo(dir string) string {
	way := filepath.Join(dir, fmt.Sprintf("%s%d", wayName, ways.Add(1)))
	if os.Symlink(".", way) != nil {
		return dir
	}
	return way
}

// stranger returns the name of the user who owns a file, or "" if that is the user of
// this process.
func stranger(file fs.FileInfo) string {
	owner, ok := file.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) == os.Geteuid() {
		return ""
	}
	id := strconv.FormatUint(uint64(owner.Uid), 10)
	if known, err := user.LookupId(id); err == nil {
		return known.Username
	}
	return "#" + id // the form that sudo -u accepts
}
