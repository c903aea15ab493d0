package files

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// MoveRequest describes the move of a file or directory.
type MoveRequest struct {
	From, To string
	// Overwrite removes an existing destination, even a directory. Without it, an
	// existing destination is an error of kind Exists.
	Overwrite bool
	// Progress is called during a copy, if one is needed; it may be nil.
	Progress func(Progress)
}

// existing is what to do with an existing destination.
type existing int

const (
	keep existing = iota
	replace
)

// errOtherDevice says that a rename is impossible and a copy is needed.
var errOtherDevice = errors.New("the destination is on another device")

// Move renames a file or directory. Where that is impossible, as between two disks, it
// makes a verified copy with the times of the source, and removes the source unless it
// has changed meanwhile. Missing directories above the destination are created. Links
// are treated as in Copy.
func (a *Approved) Move(ctx context.Context, r MoveRequest) (Result, error) {
	ended := a.metrics.begin(opMove)
	result, err := a.moveBetween(ctx, r)
	return result, ended(result.Bytes, explain("move", r.From, err))
}

func (a *Approved) moveBetween(ctx context.Context, r MoveRequest) (Result, error) {
	e, err := a.open(a.move, r.From, r.To)
	if err != nil {
		return Result{}, err
	}
	defer e.close()
	if e.target != nil && !r.Overwrite {
		return Result{}, taken(e.to.entry)
	}
	if e.target != nil && isSpecial(e.target) {
		return Result{}, mismatch(e.to.entry)
	}
	before, err := survey(ctx, e.from.entry, e.to)
	if err != nil {
		return Result{}, err
	}
	if err := e.to.makeParents(); err != nil {
		return Result{}, err
	}
	m := mover{ends: e, rename: a.rename, before: before, report: r.Progress, result: Result{From: e.from.at, To: e.to.at}}
	if r.Overwrite {
		m.how = replace
	}
	err = m.overOrAside(ctx)
	return m.result, err
}

func taken(at entry) error {
	return refuse(Exists, at.at, "exists", "set overwrite, or choose another destination")
}

// mover performs one move.
type mover struct {
	*ends
	rename func(from, to *operand, how existing) error
	how    existing
	before contents
	report func(Progress)
	result Result
}

// overOrAside replaces a file atomically. If source or destination is a directory, it
// first renames the destination, and removes it only after the move has succeeded.
func (m *mover) overOrAside(ctx context.Context) error {
	if m.target == nil || !m.target.IsDir() && !m.source.IsDir() {
		return m.transfer(ctx)
	}
	if err := m.refuseToRemoveSource(ctx); err != nil {
		return err
	}
	aside := m.to.sibling(temporaryName())
	if err := rename(m.to, aside, keep); err != nil {
		return err
	}
	m.how = keep
	if err := m.transfer(ctx); err != nil {
		if restoring := rename(aside, m.to, keep); restoring != nil {
			return fmt.Errorf("%s, and what was there before is left as %s: %w", err.Error(), aside.at, restoring)
		}
		return err
	}
	if err := m.to.dir.RemoveAll(aside.name); err != nil {
		return fmt.Errorf("moved, but what was there before is left as %s: %w", aside.at, err)
	}
	return nil
}

// refuseToRemoveSource returns an error when the destination to be removed contains the
// source.
func (m *mover) refuseToRemoveSource(ctx context.Context) error {
	parent, err := m.from.dir.Stat(".")
	if err != nil {
		return err
	}
	return walk(ctx, m.to.entry, 0, func(_ entry, info fs.FileInfo) error {
		if os.SameFile(info, parent) {
			return refuse(Failed, m.to.at, "holds the source", "choose a destination that is not a directory above it")
		}
		return nil
	})
}

func (m *mover) transfer(ctx context.Context) error {
	err := m.rename(m.from, m.to, m.how)
	switch {
	case errors.Is(err, fs.ErrExist):
		return taken(m.to.entry)
	case errors.Is(err, errOtherDevice):
		return m.copyThenRemove(ctx)
	}
	return between(m.from.entry, m.to.entry, err)
}

// copyThenRemove moves to another disk. The copy has a temporary name until it is
// complete; the source is removed only after the copy has its final name.
func (m *mover) copyThenRemove(ctx context.Context) error {
	temporary := temporaryName()
	defer func() { _ = m.to.dir.RemoveAll(temporary) }()
	c := copier{keepTimes: true, report: m.report}
	c.progress.OfFiles, c.progress.OfBytes = m.before.files, m.before.bytes
	if err := c.copy(ctx, m.from.entry, entry{m.to.dir, temporary, m.to.rel, m.to.at}, 0); err != nil {
		return err
	}
	after, err := survey(ctx, m.from.entry, m.to)
	if err != nil {
		return err
	}
	if after != m.before {
		return changed(m.from.entry)
	}
	c.overwrite = m.how == replace
	published, err := c.publish(m.to.entry, temporary)
	if err != nil {
		return err
	}
	if !published {
		return taken(m.to.entry)
	}
	if err := syncDir(m.to.dir); err != nil {
		return err
	}
	m.result.Files, m.result.Bytes = c.progress.Files, c.progress.Bytes
	return m.removeSource()
}

func (m *mover) removeSource() error {
	remove := unlink
	if m.source.IsDir() {
		remove = func(dir *os.Root, name string) error { return dir.RemoveAll(name) }
	}
	if err := remove(m.from.dir, m.from.name); err != nil {
		return fmt.Errorf("copied, but the source could not be removed: %w", err)
	}
	return nil
}
