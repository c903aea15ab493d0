package wholefile

import (
	"io/fs"
	"os"
)

// keepOwner does nothing: on Windows a file gets its permissions from its directory.
func keepOwner(*os.File, fs.FileInfo) {}

// HandOver does nothing: on Windows a file gets its permissions from its directory.
func HandOver(*os.Root, string) (group bool) { return false }
