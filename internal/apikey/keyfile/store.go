package keyfile

import (
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"butler/internal/apikey"
	"butler/internal/logx"
	"butler/internal/wholefile"
)

const (
	// lookEvery is how often calls check the file.
	lookEvery = time.Second
	// settledAfter is the age of a change at which the next one is sure to alter the
	// modification time, which some systems store in steps of two seconds.
	settledAfter = 3 * time.Second
)

// Store holds the keys of a file and follows its changes. It has no goroutine: calls of
// Verify check the file, one at a time, while the others use the current keys.
type Store struct {
	file  File
	log   *zap.Logger
	began time.Time

	ring atomic.Pointer[apikey.Ring]
	// looked is when the file was last checked, since began.
	looked atomic.Int64
	// trouble is why the file is not usable; nil while it is.
	trouble atomic.Pointer[error]
	// exists reports whether there was a file when the keys were read.
	exists atomic.Bool

	mu sync.Mutex // one check at a time
	// seen describes the file that the keys were read from; nil forces a new read.
	seen fs.FileInfo
}

// Open reads the keys of a file. A file that does not exist yet is not an error; an
// unusable one is.
func Open(file File, log *zap.Logger) (*Store, error) {
	s := &Store{file: file, log: log, began: time.Now()}
	ring, info, err := file.read()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takeLocked(ring, info)
	if !s.exists.Load() {
		s.sayGone()
	}
	return s, nil
}

// Verify returns the principal of a presented key. Its error is an apikey.Refusal.
func (s *Store) Verify(presented string) (apikey.Principal, error) {
	now := time.Now()
	if now.Sub(s.began)-time.Duration(s.looked.Load()) >= lookEvery && s.mu.TryLock() {
		s.lookLocked()
		s.looked.Store(int64(time.Since(s.began)))
		s.mu.Unlock()
	}
	return s.ring.Load().Verify(presented, now)
}

// Err returns why the file was not usable at the last check, or that there was none; nil
// otherwise.
func (s *Store) Err() error {
	if trouble := s.trouble.Load(); trouble != nil {
		return *trouble
	}
	if !s.exists.Load() {
		return fmt.Errorf("%s: %s", s.file.path, noFile)
	}
	return nil
}

const noFile = "there is no file of API keys, so no key is accepted: butler apikey create makes one"

// lookLocked reads the file if it has changed or may have changed.
func (s *Store) lookLocked() {
	if s.seen != nil {
		if now, err := os.Stat(s.file.path); err == nil && wholefile.Same(s.seen, now) {
			return
		}
	}
	ring, info, err := s.file.read()
	if err != nil {
		s.seen = nil
		if before := s.trouble.Load(); before == nil || (*before).Error() != err.Error() {
			s.log.Error("API keys cannot be read, the last valid ones stay in force", logx.Err(err))
		}
		s.trouble.Store(&err)
		return
	}
	if s.trouble.Load() != nil {
		s.log.Info("API keys can be read again", logx.Path(s.file.path))
	}
	existed := s.exists.Load()
	s.takeLocked(ring, info)
	if existed && !s.exists.Load() {
		s.sayGone()
	}
}

// takeLocked puts the keys of a file into effect.
func (s *Store) takeLocked(ring apikey.Ring, info fs.FileInfo) {
	s.ring.Store(&ring)
	s.trouble.Store(nil)
	s.seen = nil
	s.exists.Store(info != nil)
	if info != nil && time.Since(info.ModTime()) > settledAfter {
		s.seen = info
	}
}

func (s *Store) sayGone() {
	s.log.Warn(noFile, logx.Path(s.file.path))
}
