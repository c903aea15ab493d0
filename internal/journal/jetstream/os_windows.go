package jetstream

import (
	"io/fs"

	"golang.org/x/sys/windows"
)

// diskFullErrors are what the system says when the disk or a quota is used up.
func diskFullErrors() []error {
	return []error{windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_DISK_QUOTA_EXCEEDED}
}

// linkTo returns the directory itself, because a link takes a privilege here: a server
// that is left behind keeps its way.
func linkTo(dir string) string { return dir }

// stranger returns "": whoever may write to a directory shares its files.
func stranger(fs.FileInfo) string { return "" }
