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

	"golang.org/x/sys/unix"
)

// diskFullErrors are what the system says when the disk or a quota is used up.
func diskFullErrors() []error { return []error{unix.ENOSPC, unix.EDQUOT} }

// ways counts the links of this process: no two have one name.
var ways atomic.Int64

// linkTo returns a new path to a directory, or the directory itself on a file system
// without links: a server that is left behind keeps its way there.
func linkTo(dir string) string {
	way := filepath.Join(dir, fmt.Sprintf("%s%d", wayName, ways.Add(1)))
	if os.Symlink(".", way) != nil {
		return dir
	}
	return way
}

// stranger returns the name of the user that a file belongs to, or "" when that is
// the one of this process.
func stranger(file fs.FileInfo) string {
	owner, ok := file.Sys().(*syscall.Stat_t)
	if !ok || int(owner.Uid) == os.Geteuid() {
		return ""
	}
	id := strconv.FormatUint(uint64(owner.Uid), 10)
	if known, err := user.LookupId(id); err == nil {
		return known.Username
	}
	return "#" + id // as sudo -u takes it
}
