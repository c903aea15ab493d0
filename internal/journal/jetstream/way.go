package jetstream

import (
	"os"
	"path/filepath"
	"strings"
)

// wayName is the prefix of the names of ways: see openWay.
const wayName = "SERVER."

// openWay creates the way to the directory for one server: a link that closeWay
// removes, so that a server that cannot be stopped has no access to the files that its
// successor uses. It removes the ways of processes that were killed.
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

// closeWay removes a way, and nothing else: without links, the way is the directory
// itself, which an operator may have made a link.
func closeWay(way string) {
	if !strings.HasPrefix(filepath.Base(way), wayName) {
		return
	}
	if info, err := os.Lstat(way); err == nil && info.Mode()&os.ModeSymlink != 0 {
		_ = os.Remove(way) // one that remains is removed by the next openWay
	}
}
