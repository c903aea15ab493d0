package files

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// maxDepth bounds the depth of a tree; every level holds a directory open.
const maxDepth = 200

// walk visits an entry and everything below it in order. It does not follow links.
func walk(ctx context.Context, at entry, depth int, visit func(entry, fs.FileInfo) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	info, err := at.dir.Lstat(at.name)
	if err != nil {
		return err
	}
	if err := visit(at, info); err != nil || !info.IsDir() {
		return err
	}
	if depth == maxDepth {
		return tooDeep(at)
	}
	dir, err := openDir(at, info)
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := list(dir)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		if err := walk(ctx, at.below(dir, name), depth+1, visit); err != nil {
			return err
		}
	}
	return nil
}

func isLink(info fs.FileInfo) bool { return info.Mode().Type() == fs.ModeSymlink }

// isSpecial reports whether info describes a device, pipe or socket.
func isSpecial(info fs.FileInfo) bool {
	return !info.Mode().IsRegular() && !info.IsDir() && !isLink(info)
}

func tooDeep(at entry) error {
	return refuse(Failed, at.at, "is too deep a tree", fmt.Sprintf("work on parts that are at most %d directories deep", maxDepth))
}

// contents summarises a file or tree by the metadata of its entries, to detect changes.
type contents struct {
	files int
	bytes int64
	sum   [sha256.Size]byte
}

// surveyor checks the source of an operation before it begins.
type surveyor struct {
	top string
	// target is the destination, relative to its approved directory.
	target string
	// nearest is the deepest existing directory on the path to the destination.
	nearest fs.FileInfo
	found   contents
	hash    hash.Hash
}

// survey returns the contents of a source, or why it cannot be copied or moved to target.
func survey(ctx context.Context, from entry, target *operand) (contents, error) {
	nearest, err := target.nearest()
	if err != nil {
		return contents{}, err
	}
	s := &surveyor{top: from.rel, target: target.rel, nearest: nearest, hash: sha256.New()}
	if err := walk(ctx, from, 0, s.visit); err != nil {
		return contents{}, err
	}
	s.hash.Sum(s.found.sum[:0])
	return s.found, nil
}

func (s *surveyor) visit(at entry, info fs.FileInfo) error {
	var size int64
	switch {
	case info.Mode().IsRegular():
		size = info.Size()
		s.found.files++
		s.found.bytes += size
	case info.IsDir():
		if os.SameFile(info, s.nearest) {
			return refuse(Failed, at.at, "holds the destination", "a directory cannot go into itself: choose a destination outside of it")
		}
	case isLink(info):
		if err := s.link(at); err != nil {
			return err
		}
	default:
		return invalid(at.at, "is neither a file nor a directory", "leave out devices, pipes and sockets")
	}
	fmt.Fprintf(s.hash, "%q %v %d %d\n", at.rel, info.Mode(), size, info.ModTime().UnixNano())
	return nil
}

// link refuses a link that leads out of the approved directory of its source or of its
// destination. It checks only the text of the link, not its target.
func (s *surveyor) link(at entry) error {
	to, err := at.dir.Readlink(at.name)
	if err != nil {
		return err
	}
	moved := path.Join(s.target, at.rel[len(s.top):])
	for _, rel := range []string{at.rel, moved} {
		if filepath.IsAbs(to) || climbsAgain(filepath.ToSlash(to)) || !filepath.IsLocal(path.Join(path.Dir(rel), filepath.ToSlash(to))) {
			return refuse(NotApproved, at.at, "is a link that leads out of the approved directory", "remove the link, or name the file that it leads to")
		}
	}
	return nil
}

// climbsAgain reports whether a path goes up after it went down. What it goes down through
// may itself be a link, so that nothing can be said of where it leads.
func climbsAgain(to string) bool {
	down := false
	for _, name := range strings.Split(to, "/") {
		switch name {
		case "", ".":
		case "..":
			if down {
				return true
			}
		default:
			down = true
		}
	}
	return false
}
