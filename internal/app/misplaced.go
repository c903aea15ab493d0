package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"butler/config"
)

// misplacedFindings warns of files and directories that are not where the configuration
// names them, and are where the Node.js tool would have looked for them: there, relative
// paths start from the working directory, which often is the directory above that of the
// file. The schedule file is a problem, because a new one would be made.
func misplacedFindings(cfg *config.Config) []config.Finding {
	files := cfg.NamedFiles()
	if section := cfg.Scheduler(); section.Enable { // its default is what the template has
		if named := (config.FileKey{Path: schedulerFile, File: section.ConfigFile}); !slices.Contains(files, named) {
			files = append(files, named)
		}
	}
	var out []config.Finding
	for _, named := range files {
		there := misplaced(cfg, named.File)
		if there == "" {
			continue
		}
		out = append(out, config.Finding{
			Warning: named.Path != schedulerFile || !cfg.Scheduler().Enable,
			Path:    named.Path, Reason: fmt.Sprintf("%s does not exist, but %s does", named.File, there),
			Suggestion: fmt.Sprintf("relative paths start from the directory of the configuration file; write %s", relativeTo(cfg, there)),
		})
	}
	return out
}

// misplaced returns the path of a file or directory that exists in the working directory,
// or in the directory above that of the configuration, and not where it should be; "" if
// there is none.
func misplaced(cfg *config.Config, file string) string {
	relative, err := filepath.Rel(cfg.BaseDir(), file)
	if err != nil || !filepath.IsLocal(relative) || !missing(file) {
		return ""
	}
	from := []string{filepath.Dir(cfg.BaseDir())}
	if working, err := os.Getwd(); err == nil {
		from = append(from, working)
	}
	for _, directory := range from {
		if there := filepath.Join(directory, relative); there != file && !missing(there) {
			return there
		}
	}
	return ""
}

func missing(file string) bool {
	_, err := os.Stat(file)
	return errors.Is(err, fs.ErrNotExist)
}

// relativeTo writes a path as it may be written in the configuration.
func relativeTo(cfg *config.Config, file string) string {
	if relative, err := filepath.Rel(cfg.BaseDir(), file); err == nil {
		return filepath.ToSlash(relative)
	}
	return file
}
