// Package schedulefile owns the file with the schedules of tasks, which people
// write by hand and older releases wrote: a YAML mapping with the list
// butlerSchedule.
//
// It guarantees that an unusable entry is skipped with a reason and does not keep
// the others from being read; that a change is applied to the current content of the
// file and alters nothing else: unknown properties, comments and unusable entries
// stay; that a file that was changed by others since it was read is not written, but
// read again; that a crash leaves the old content or the new one; and that a file that
// is not YAML is never written. It must never write unless Save is called, nor decide
// what a schedule means.
package schedulefile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"sync"

	"butler/internal/wholefile"
	"butler/messages"
)

// maxSize is the maximum size of the file, in bytes.
const maxSize = 8 << 20

// File is the schedule file at a path. It is safe for concurrent use.
type File struct {
	path string
	mu   sync.Mutex // one reader or writer at a time
}

// New returns the file at path, which need not exist before the first change.
func New(path string) *File { return &File{path: path} }

// Load reads the file. The error is fs.ErrNotExist when it does not exist.
func (f *File) Load(context.Context) (messages.ScheduleBook, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c, err := f.readLocked()
	if err != nil {
		return messages.ScheduleBook{}, err
	}
	return c.book()
}

// Save makes a change if the file still has the revision, or does not exist and the
// revision is "". Otherwise it changes nothing and saved is false. In both cases book
// is the resulting content of the file. The change is on disk when saved is true and
// there is no error.
func (f *File) Save(ctx context.Context, change messages.ScheduleChange, revision string) (book messages.ScheduleBook, saved bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		before, err := f.readLocked()
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return book, false, err
		}
		if before.revision() != revision {
			book, err := before.book()
			return book, false, err
		}
		text, err := edit(before.text, change)
		if err != nil {
			return book, false, f.wrap("change", err)
		}
		if book, err = f.verify(before, text, change); err != nil {
			return messages.ScheduleBook{}, false, err
		}
		if before.info == nil {
			if err := os.MkdirAll(filepath.Dir(wholefile.Target(f.path)), 0o750); err != nil {
				return messages.ScheduleBook{}, false, f.wrap("make the directory of", err)
			}
		}
		replaced, err := wholefile.Replace(f.path, before.info, text, before.mode())
		if err != nil || replaced {
			return book, replaced, f.wrap("write", err)
		}
		if err := ctx.Err(); err != nil {
			return book, false, f.wrap("write", err)
		}
	}
}

// verify reads the new text before it replaces the old one: only the schedules that
// the change names may differ.
func (f *File) verify(before content, text []byte, change messages.ScheduleChange) (messages.ScheduleBook, error) {
	old, err := before.book()
	if err != nil {
		return old, err
	}
	after, err := content{path: f.path, text: text}.book()
	if err != nil {
		return after, err
	}
	if !reflect.DeepEqual(unchanged(old, change), unchanged(after, change)) {
		return after, f.wrap("change", errors.New("it holds something that could not be kept; write it more simply"))
	}
	return after, nil
}

// unchanged returns the schedules that a change does not name, by ID.
func unchanged(book messages.ScheduleBook, change messages.ScheduleChange) map[string]messages.Schedule {
	out := map[string]messages.Schedule{}
	for _, s := range book.Schedules {
		out[s.ID] = s
	}
	for _, id := range append([]string{change.Delete, change.Add.ID}, change.Switch...) {
		delete(out, id)
	}
	return out
}

func (f *File) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s schedule file %s: %w", what, f.path, err)
}

// content is the content of the file when it was read.
type content struct {
	path string
	// info is nil when there was no file.
	info fs.FileInfo
	text []byte
}

// mode returns the mode of the file that replaces it.
func (c content) mode() fs.FileMode {
	if c.info == nil {
		return 0o644
	}
	return c.info.Mode().Perm()
}

// revision identifies the text. It is "" when there is no file.
func (c content) revision() string {
	if c.info == nil && c.text == nil {
		return ""
	}
	sum := sha256.Sum256(c.text)
	return hex.EncodeToString(sum[:])
}

func (c content) book() (messages.ScheduleBook, error) {
	book := messages.ScheduleBook{Revision: c.revision()}
	var err error
	if book.Schedules, book.Refused, err = read(c.text); err != nil {
		return messages.ScheduleBook{}, fmt.Errorf("read schedule file %s: %w", c.path, err)
	}
	return book, nil
}

func (f *File) readLocked() (content, error) {
	text, info, err := wholefile.Read(f.path, maxSize)
	return content{path: f.path, info: info, text: text}, f.wrap("read", err)
}
