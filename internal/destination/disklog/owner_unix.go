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
		_ = root.Lchown(file, int(owner.Uid), int(owner.Gid))
	}
}
