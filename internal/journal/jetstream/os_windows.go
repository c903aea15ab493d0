package jetstream

import (
	"io/fs"

	"golang.org/x/sys/windows"
)

// diskFullErrors returns the errors of the system for a full disk or an exhausted quota.
func diskFullErrors() []error {
	return []error{windows.ERROR_DISK_FULL, windows.ERROR_HANDLE_DISK_FULL, windows.ERROR_DISK_QUOTA_EXCEEDED}
}

// linkTo returns the directory itself, because creating a link requires a privilege on
// Windows: an abandoned server keeps its access to the files.
func linkTo(dir string) string { return dir }

// stranger returns "": all who may write to a directory share its files.
func stranger(fs.FileInfo) string { return "" }
