//go:build unix

package wholefile

import "os"

// rename gives a file the name of another one, which it replaces.
func rename(from, to string) error { return os.Rename(from, to) }
