//go:build unix && !linux

package files

// renameNew renames to a name that does not exist.
func renameNew(oldDir int, oldName string, newDir int, newName string) error {
	return renameUnlessThere(oldDir, oldName, newDir, newName)
}
