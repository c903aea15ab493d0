package files

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
)

// entry is a name in an open directory; nothing need have that name. It stays valid when
// the path to the directory changes.
type entry struct {
	dir  *os.Root
	name string
	// rel is the path relative to the approved directory.
	rel string
	// at is the path for messages to the caller.
	at string
}

// below returns the entry of name in dir, where dir is e opened as a directory.
func (e entry) below(dir *os.Root, name string) entry {
	return entry{dir, name, path.Join(e.rel, name), e.at + "/" + name}
}

// operand is an entry together with its approved directory.
type operand struct {
	entry
	root *os.Root
}

func (o *operand) close() {
	o.root.Close()
	if o.dir != nil {
		o.dir.Close()
	}
}

// sibling returns another name in the directory of o.
func (o *operand) sibling(name string) *operand {
	return &operand{entry{o.dir, name, path.Join(path.Dir(o.rel), name), strings.TrimSuffix(o.at, o.name) + name}, o.root}
}

// covering returns the first pair that covers both paths. An approved directory itself is
// never covered.
func covering(pairs []pair, from, to location) (pair, error) {
	for _, p := range pairs {
		if _, ok := inside(from, p.from); !ok {
			continue
		}
		if _, ok := inside(to, p.to); ok {
			return p, nil
		}
	}
	return pair{}, refuse(NotApproved, from.String(), "and "+quoted(to.String())+" are not covered by one pair of approved directories",
		"have an administrator add such a pair to the configuration, or use paths below a configured pair")
}

// inside returns the path of at relative to directory; ok is false for directory itself.
func inside(at, directory location) (rel string, ok bool) {
	rel, ok = at.under(directory)
	return rel, ok && rel != "."
}

// openRoot opens an approved directory. The "/." makes sure that it is a directory:
// opening a FIFO would wait for a writer.
func openRoot(directory location) (*os.Root, error) {
	root, err := os.OpenRoot(directory.native() + "/.")
	if missing(err) {
		return nil, &Error{Kind: Failed, Path: directory.String(), What: "is approved and does not exist", Remedy: "create it", Err: err}
	}
	return root, err
}

// openSource opens the directory of an existing file and returns its FileInfo. Helper
// scripts write "%23" for "#", so if such a name does not exist, "#" is tried.
func openSource(approved, at location) (*operand, fs.FileInfo, error) {
	root, err := openRoot(approved)
	if err != nil {
		return nil, nil, err
	}
	o := &operand{root: root}
	rel, _ := inside(at, approved)
	info, err := o.find(approved, rel)
	if plain := strings.ReplaceAll(rel, "%23", "#"); missing(err) && plain != rel {
		info, err = o.find(approved, plain)
	}
	if missing(err) {
		err = refuse(NotFound, at.String(), "does not exist", "check the name; upper and lower case may matter")
	}
	if err != nil {
		o.close()
		return nil, nil, err
	}
	return o, info, nil
}

func (o *operand) find(approved location, rel string) (fs.FileInfo, error) {
	at := join(approved, rel)
	dir, err := o.root.OpenRoot(path.Dir(rel) + "/.")
	if err != nil {
		return nil, confined(o.root, at, err)
	}
	info, err := dir.Lstat(path.Base(rel))
	if err != nil {
		dir.Close()
		return nil, err
	}
	o.entry = entry{dir, path.Base(rel), rel, at}
	return info, nil
}

// openTarget opens the approved directory of a destination, and returns the FileInfo of
// the destination, or nil if it does not exist. It creates nothing.
func openTarget(approved, at location) (*operand, fs.FileInfo, error) {
	root, err := openRoot(approved)
	if err != nil {
		return nil, nil, err
	}
	rel, _ := inside(at, approved)
	o := &operand{entry: entry{name: path.Base(rel), rel: rel, at: join(approved, rel)}, root: root}
	info, err := root.Lstat(rel)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		err = confined(root, o.at, err)
		o.close()
		return nil, nil, err
	}
	return o, info, nil
}

// makeParents creates the missing parents of a destination, and opens its directory.
func (o *operand) makeParents() error {
	parent := path.Dir(o.rel)
	if err := o.root.MkdirAll(parent, 0o777); err != nil {
		return confined(o.root, o.at, err)
	}
	dir, err := o.root.OpenRoot(parent + "/.")
	o.dir = dir
	return confined(o.root, o.at, err)
}

// nearest returns the deepest existing directory on the path to a destination, which may
// be the destination itself.
func (o *operand) nearest() (fs.FileInfo, error) {
	if info, err := o.root.Lstat(o.rel); err == nil && info.IsDir() {
		return info, nil
	}
	for rel := path.Dir(o.rel); ; rel = path.Dir(rel) {
		info, err := o.root.Stat(rel)
		if err == nil || !missing(err) || rel == "." {
			return info, confined(o.root, o.at, err)
		}
	}
}

// join returns the path of rel in an approved directory, for messages to the caller.
func join(approved location, rel string) string {
	return strings.TrimSuffix(approved.String(), "/") + "/" + rel
}

// changed returns the error for a file that was replaced during an operation.
func changed(at entry) error {
	return refuse(Failed, at.at, "was replaced while it was worked on", "send it again when nobody else changes it")
}

// openDir opens a directory, and fails if it is no longer the one described by info.
func openDir(at entry, info fs.FileInfo) (*os.Root, error) {
	dir, err := at.dir.OpenRoot(at.name + "/.")
	if err != nil {
		return nil, confined(at.dir, at.at, err)
	}
	if now, err := dir.Stat("."); err != nil || !os.SameFile(info, now) {
		dir.Close()
		return nil, changed(at)
	}
	return dir, nil
}

// openFile opens a regular file, and fails if it is no longer the one described by info.
// It does not block if the file has been replaced by a pipe.
func openFile(at entry, info fs.FileInfo) (*os.File, error) {
	file, err := at.dir.OpenFile(at.name, os.O_RDONLY|nonBlocking, 0)
	if err != nil {
		return nil, confined(at.dir, at.at, err)
	}
	if now, err := file.Stat(); err != nil || !now.Mode().IsRegular() || !os.SameFile(info, now) {
		file.Close()
		return nil, changed(at)
	}
	return file, nil
}

// list returns the names in an open directory.
func list(dir *os.Root) ([]string, error) {
	handle, err := dir.Open(".")
	if err != nil {
		return nil, err
	}
	defer handle.Close()
	return handle.Readdirnames(-1)
}
