package template

import "fmt"

// CheckFiles reports why the first of files that exists cannot be used as a
// template, or that none does. It is nil for none at all: the built-in template is meant.
func CheckFiles(files []string) error {
	if len(files) == 0 {
		return nil
	}
	path := firstExisting(files)
	if _, err := NewSet(Text, nil).parseFile(path); err != nil {
		return fmt.Errorf("template %s: %w", path, err)
	}
	return nil
}
