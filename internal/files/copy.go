package files

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// CopyRequest describes the copy of a file or a directory.
type CopyRequest struct {
	From, To string
	// Overwrite replaces existing files. Without it they are kept, which is not an
	// error.
	Overwrite bool
	// PreserveTimestamp keeps the access and modification times.
	PreserveTimestamp bool
	// Progress is called from the calling goroutine during the copy; it may be nil.
	Progress func(Progress)
}

// Progress is the progress of a copy. Files that are kept count only in the totals.
type Progress struct {
	Files, OfFiles int
	Bytes, OfBytes int64
}

// Result is the result of a copy or a move.
type Result struct {
	// From and To are the canonical paths.
	From, To string
	// Files is the number of copied files; 0 for a rename.
	Files int
	Bytes int64
	// Kept is the number of existing files that were left unchanged.
	Kept int
	// SHA256 is the hash of a single copied file, in hexadecimal; "" otherwise.
	SHA256 string
}

// Copy copies a file, or merges a directory into the destination. Missing directories
// above the destination are created. Permissions are kept, except for set-user-ID,
// set-group-ID and sticky bits. A link is copied as a link; if it leads out of the
// approved directories, that is an error. When the copy of a directory ends early, the
// files that are complete remain.
func (a *Approved) Copy(ctx context.Context, r CopyRequest) (Result, error) {
	ended := a.metrics.begin(opCopy)
	result, err := a.copyBetween(ctx, r)
	return result, ended(result.Bytes, explain("copy", r.From, err))
}

func (a *Approved) copyBetween(ctx context.Context, r CopyRequest) (Result, error) {
	e, err := a.open(a.copy, r.From, r.To)
	if err != nil {
		return Result{}, err
	}
	defer e.close()
	found, err := survey(ctx, e.from.entry, e.to)
	if err != nil {
		return Result{}, err
	}
	if err := e.to.makeParents(); err != nil {
		return Result{}, err
	}
	c := copier{keepTimes: r.PreserveTimestamp, overwrite: r.Overwrite, report: r.Progress}
	c.progress.OfFiles, c.progress.OfBytes = found.files, found.bytes
	if err := c.copy(ctx, e.from.entry, e.to.entry, 0); err != nil {
		return Result{}, err
	}
	result := Result{From: e.from.at, To: e.to.at, Files: c.progress.Files, Bytes: c.progress.Bytes, Kept: c.kept}
	if e.source.Mode().IsRegular() && c.progress.Files == 1 {
		result.SHA256 = hex.EncodeToString(c.sum)
	}
	return result, nil
}

// ends are the two operands of a copy or move.
type ends struct {
	from, to *operand
	// source and target describe what exists there; target is nil for nothing.
	source, target fs.FileInfo
}

// open opens the operands. It finds the pair that covers both before it accesses the disk.
func (a *Approved) open(pairs []pair, rawFrom, rawTo string) (*ends, error) {
	from, problem := parse(rawFrom, a.system)
	if problem != nil {
		return nil, problem
	}
	to, problem := parse(rawTo, a.system)
	if problem != nil {
		return nil, problem
	}
	approved, err := covering(pairs, from, to)
	if err != nil {
		return nil, err
	}
	e := &ends{}
	if e.from, e.source, err = openSource(approved.from, from); err != nil {
		return nil, err
	}
	if e.to, e.target, err = openTarget(approved.to, to); err != nil {
		e.from.close()
		return nil, err
	}
	if e.target != nil && os.SameFile(e.source, e.target) {
		e.close()
		return nil, refuse(Failed, e.to.at, "is the source itself", "choose another destination")
	}
	return e, nil
}

func (e *ends) close() {
	e.from.close()
	e.to.close()
}

// copier performs one copy.
type copier struct {
	overwrite, keepTimes bool
	report               func(Progress)
	progress             Progress
	kept                 int
	buffer               []byte
	// sum is the SHA-256 of the last file that was copied.
	sum []byte
}

func (c *copier) copy(ctx context.Context, from, to entry, depth int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	info, err := from.dir.Lstat(from.name)
	if err != nil {
		return err
	}
	switch {
	case info.Mode().IsRegular():
		return between(from, to, c.file(ctx, from, to, info))
	case info.IsDir():
		return c.directory(ctx, from, to, info, depth)
	case isLink(info):
		return between(from, to, c.link(from, to, info))
	}
	return changed(from) // the survey refused all other types
}

// between adds the paths of the file in a tree to its error.
func between(from, to entry, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s to %s: %w", quoted(from.at), quoted(to.at), err)
}

func (c *copier) directory(ctx context.Context, from, to entry, info fs.FileInfo, depth int) error {
	if depth == maxDepth {
		return tooDeep(from)
	}
	source, err := openDir(from, info)
	if err != nil {
		return err
	}
	defer source.Close()
	target, created, err := makeDir(to)
	if err != nil {
		return err
	}
	defer target.Close()
	accessed := accessTime(source, ".", info)
	names, err := list(source)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := c.copy(ctx, from.below(source, name), to.below(target, name), depth+1); err != nil {
			return err
		}
	}
	if !created {
		return nil
	}
	return c.finishDir(target, info, accessed)
}

// makeDir opens a directory. If it does not exist, it is created with access for the
// owner only.
func makeDir(at entry) (dir *os.Root, created bool, err error) {
	err = at.dir.Mkdir(at.name, 0o700)
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, false, err
	}
	created = err == nil
	info, err := at.dir.Lstat(at.name)
	if err != nil {
		return nil, false, err
	}
	if !info.IsDir() {
		return nil, false, mismatch(at)
	}
	dir, err = openDir(at, info)
	return dir, created, err
}

// finishDir gives a created directory the permissions of its source, and its times if
// keepTimes is set.
func (c *copier) finishDir(dir *os.Root, info fs.FileInfo, accessed time.Time) error {
	handle, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer handle.Close()
	if err := handle.Chmod(info.Mode().Perm()); err != nil {
		return err
	}
	if c.keepTimes {
		return dir.Chtimes(".", accessed, info.ModTime())
	}
	return nil
}

func (c *copier) link(from, to entry, info fs.FileInfo) error {
	if write, err := c.mayWrite(info, to); !write {
		return err
	}
	target, err := from.dir.Readlink(from.name)
	if err != nil {
		return err
	}
	temporary := temporaryName()
	defer func() { _ = to.dir.Remove(temporary) }()
	if err := to.dir.Symlink(target, temporary); err != nil {
		return err
	}
	_, err = c.publish(to, temporary)
	return err
}

// mayWrite reports whether a file or link may be written at an entry.
func (c *copier) mayWrite(info fs.FileInfo, to entry) (bool, error) {
	there, err := to.dir.Lstat(to.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, nil
	case err != nil:
		return false, err
	case os.SameFile(info, there):
		return false, refuse(Failed, to.at, "is the source itself", "choose another destination")
	case there.IsDir() || isSpecial(there):
		return false, mismatch(to)
	case !c.overwrite:
		c.kept++
		return false, nil
	}
	return true, nil
}

func mismatch(at entry) error {
	return refuse(Failed, at.at, "exists and is of another type than its source", "remove it, or choose another destination")
}
