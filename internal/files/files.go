// Package files owns the file operations of the API: copying, moving and deleting files
// and creating directories, only inside the directories that the operator has approved.
//
// It guarantees that nothing outside these directories is read, written or revealed:
// whether a path is approved is decided from its text before the disk is accessed, and
// every access goes through an os.Root, so that no symbolic link leads out, not even one
// that is created meanwhile. A file appears under its name complete and verified or not
// at all: it is written to a temporary file beside it (".butler-*.tmp", left behind only
// by a killed process), read back, compared and then renamed. An existing destination is
// replaced by the rename and never written to, so that other hard links to it keep their
// content. Operations may run concurrently. They block on the disk; when their context
// ends, they stop between blocks or directory entries.
//
// It must never follow a link out of an approved directory, remove the approved
// directory that it works in, open anything but regular files and directories, or reveal
// whether something outside exists.
package files

import (
	"runtime"
	"slices"
)

// Options are the approved directories. Paths are absolute, in the syntax of the
// operating system; the zero value approves nothing.
type Options struct {
	// Copy and Move are the pairs of directories between which Copy and Move work.
	Copy, Move []Pair
	// Delete are the directories in which files may be deleted.
	Delete []string
	// QVD is the directory below which CreateDirQVD works; "" for none.
	QVD string
	// Metrics count the operations; nil counts nothing.
	Metrics *Metrics
}

// Pair approves operations from one directory tree to another.
type Pair struct {
	From, To string
}

// Approved performs operations in the approved directories.
type Approved struct {
	system     system
	copy, move []pair
	delete     []location
	// qvd has at most one directory.
	qvd []location
	// create has every directory that is configured anywhere.
	create  []location
	metrics *Metrics
	// rename is the system's rename.
	rename func(from, to *operand, how existing) error
}

type pair struct{ from, to location }

// New returns the operations for the configured directories. An entry that cannot be used
// approves nothing; Check says why.
func New(o Options) *Approved { return newOn(host(), o) }

func newOn(system system, o Options) *Approved {
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	a := &Approved{system: system, rename: rename, metrics: o.Metrics}
	a.copy, a.move = a.pairs(o.Copy), a.pairs(o.Move)
	for _, directory := range o.Delete {
		if at, err := parse(directory, system); err == nil {
			a.delete = append(a.delete, at)
		}
	}
	if at, err := parse(o.QVD, system); err == nil {
		a.qvd = []location{at}
	}
	for _, p := range slices.Concat(a.copy, a.move) {
		a.create = append(a.create, p.from, p.to)
	}
	a.create = slices.Concat(a.create, a.delete, a.qvd)
	return a
}

func (a *Approved) pairs(configured []Pair) []pair {
	var pairs []pair
	for _, c := range configured {
		from, fromErr := parse(c.From, a.system)
		to, toErr := parse(c.To, a.system)
		if fromErr == nil && toErr == nil {
			pairs = append(pairs, pair{from, to})
		}
	}
	return pairs
}

// Check returns what is wrong with a directory that approves nothing, or everything
// on a volume, and how to fix it; both are empty for any other directory.
func Check(directory string) (reason, remedy string) { return checkOn(host(), directory) }

func checkOn(system system, directory string) (reason, remedy string) {
	at, err := parse(directory, system)
	switch {
	case err != nil:
		return quoted(directory) + " " + err.What + ", so it approves nothing", "write the whole path of a directory as this system has it"
	case len(at.names) == 0:
		return quoted(directory) + " approves every file there", "name the directories that are needed"
	}
	return "", ""
}

// host returns the operating system whose path rules apply.
func host() system {
	if runtime.GOOS == "windows" {
		return windows
	}
	return posix
}
