//go:build unix

package jetstream

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

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
