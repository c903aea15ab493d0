// Package fspath owns what a path that an operator wrote means: where a relative
// one begins.
//
// It guarantees an absolute path for every path but an empty one. It must never
// look at the file system.
package fspath

import (
	"os"
	"path/filepath"
)

// Absolute makes a path absolute: a relative one begins in dir, which is absolute.
// A path of Windows that begins with a backslash or a slash and names no drive is on
// the drive of dir, as everywhere in Windows. An empty path stays empty.
func Absolute(dir, path string) string {
	switch {
	case path == "" || filepath.IsAbs(path):
		return path
	case os.IsPathSeparator(path[0]):
		return filepath.Clean(filepath.VolumeName(dir) + path)
	}
	return filepath.Join(dir, path)
}
