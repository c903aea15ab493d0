package jetstream

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"

	"butler/internal/journal"
	"butler/internal/logx"
)

// diaryName is the file that one process leaves for the next: see diary.
const diaryName = "DIARY"

// diary is the state that is needed to find losses. It is written when the store and
// its logs are opened, before a trim, and when the store is closed; not by appends.
type diary struct {
	// Closed says that the process closed the store in order.
	Closed  bool             `json:"closed"`
	Streams map[string]reach `json:"streams,omitempty"`
}

// reach says which records of a stream have to exist.
type reach struct {
	// First: nothing from it on was trimmed. Next: the log reached at least that far.
	// Both are exact when the store was closed.
	First journal.Seq `json:"first"`
	Next  journal.Seq `json:"next"`
	// Top is the highest Next ever, before any loss.
	Top journal.Seq `json:"top"`
	// Gaps are the records before Next that are known to be missing.
	Gaps spans `json:"gaps,omitempty"`
}

// missing returns the records that should exist and are not in there.
func (r reach) missing(there spans) spans {
	last := len(there) - 1
	switch {
	case r.Next == 0: // nothing is known
		return there.gaps()
	case last < 0:
		return spans{}.and(r.First, r.Next)
	}
	out := append(spans{}.and(r.First, there[0].First), there.gaps()...)
	return out.and(there[last].Last+1, r.Next)
}

// bounds returns r updated to the bounds of a log. Records from next on are no longer
// missing, because their sequence numbers are used again.
func (r reach) bounds(first, next journal.Seq) reach {
	r.Gaps = r.Gaps.without(spans{{next, math.MaxUint64 - 1}})
	r.First, r.Next, r.Top = first, next, max(r.Top, r.Next, first, next)
	return r
}

// readDiary returns the diary, or an empty one if it does not exist or cannot be read.
func readDiary(dir string) diary {
	raw, err := os.ReadFile(filepath.Join(dir, diaryName))
	if err != nil {
		raw = nil
	}
	return parseDiary(raw)
}

// parseDiary decodes a diary, and returns an empty one if raw is not valid.
func parseDiary(raw []byte) diary {
	var d diary
	if json.Unmarshal(raw, &d) != nil {
		d = diary{}
	}
	if d.Streams == nil {
		d.Streams = map[string]reach{}
	}
	return d
}

func (d diary) write(dir string) error {
	raw, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, diaryName), raw)
}

// replaceFile writes a file atomically: after a crash it has the old or the new content.
func replaceFile(path string, content []byte) error {
	next := path + ".new"
	file, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return os.Rename(next, path)
}

// note changes the diary and writes it, and reports whether that worked. If it did not,
// the next process may take trimmed records for lost ones, but not lost ones for trimmed.
func (s *Store) note(change func(*diary)) bool {
	s.diaryMu.Lock()
	defer s.diaryMu.Unlock()
	change(&s.diary)
	if err := s.diary.write(s.opts.Dir); err != nil {
		s.log.Warn("journal cannot note how far it reaches", logx.Err(err))
		return false
	}
	return true
}

// noteBounds records the bounds of a stream in the diary, and returns its highest Next ever.
func (s *Store) noteBounds(stream string, first, next journal.Seq) (top journal.Seq) {
	s.note(func(d *diary) {
		d.Streams[stream] = d.Streams[stream].bounds(first, next)
		top = d.Streams[stream].Top
	})
	return top
}
