package jetstream

import (
	"os"
	"path/filepath"
	"strings"
)

// wayName begins the name of a way: see openWay.
const wayName = "SERVER."

// openWay makes the way to the directory that one server has for itself: a link,
// which closeWay takes away. A server that cannot be stopped has no way to the files
// of its successor then. The way of a process that was killed is replaced.
func openWay(dir string) (string, error) {
	names, err := namesIn(dir)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if strings.HasPrefix(name, wayName) {
			closeWay(filepath.Join(dir, name))
		}
	}
	return linkTo(dir), nil
}

// closeWay takes the way to a directory away, and nothing else: where there are no
// links the way is the directory, which an operator may have made a link.
func closeWay(way string) {
	if !strings.HasPrefix(filepath.Base(way), wayName) {
		return
	}
	if info, err := os.Lstat(way); err == nil && info.Mode()&os.ModeSymlink != 0 {
		_ = os.Remove(way) // one that stays is replaced by the next
	}
}
