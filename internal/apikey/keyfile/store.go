package keyfile

import (
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
	// lookEvery is how often the file is looked at, while calls come.
	lookEvery = time.Second
	// settledAfter is how old a change has to be until the next one is sure to
	// show in the time of the file, which some systems keep in steps of two seconds.
	settledAfter = 3 * time.Second
)

// Store knows the keys of a file and its changes. It has no goroutine: calls of
// Verify look at the file, one of them at a time, and the others go on with what
// is known.
type Store struct {
	file  File
	log   *zap.Logger
	began time.Time

	ring atomic.Pointer[apikey.Ring]
	// looked is when the file was looked at, since began.
	looked atomic.Int64
	// trouble is why the file cannot be used at the moment; nil while it can.
	trouble atomic.Pointer[error]

	mu sync.Mutex // one look at a time
	// seen is the file that the keys are of; nil when it has to be read again.
	seen   fs.FileInfo
	exists bool
}

// Open reads the keys of a file. One that does not exist yet is no error; one
// that cannot be used is.
func Open(file File, log *zap.Logger) (*Store, error) {
	s := &Store{file: file, log: log, began: time.Now()}
	ring, info, err := file.read()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takeLocked(ring, info)
	if !s.exists {
		s.sayGone()
	}
	return s, nil
}

// Verify returns who presents a key. Its error is an apikey.Refusal.
func (s *Store) Verify(presented string) (apikey.Principal, error) {
	now := time.Now()
	if now.Sub(s.began)-time.Duration(s.looked.Load()) >= lookEvery && s.mu.TryLock() {
		s.lookLocked()
		s.looked.Store(int64(time.Since(s.began)))
		s.mu.Unlock()
	}
	return s.ring.Load().Verify(presented, now)
}

// Err returns why the file could not be used when it was last looked at, nil when it could.
func (s *Store) Err() error {
	if trouble := s.trouble.Load(); trouble != nil {
		return *trouble
	}
	return nil
}

// lookLocked reads the file when it has changed, or may have.
func (s *Store) lookLocked() {
	if s.seen != nil {
		if now, err := os.Stat(s.file.path); err == nil && wholefile.Same(s.seen, now) {
			return
		}
	}
	ring, info, err := s.file.read()
	if err != nil {
		s.seen = nil
		if before := s.Err(); before == nil || before.Error() != err.Error() {
			s.log.Error("API keys cannot be read, the last valid ones stay in force", logx.Err(err))
		}
		s.trouble.Store(&err)
		return
	}
	if s.Err() != nil {
		s.log.Info("API keys can be read again", logx.Path(s.file.path))
	}
	existed := s.exists
	s.takeLocked(ring, info)
	if existed && !s.exists {
		s.sayGone()
	}
}

// takeLocked makes the keys of a file those that count.
func (s *Store) takeLocked(ring apikey.Ring, info fs.FileInfo) {
	s.ring.Store(&ring)
	s.trouble.Store(nil)
	s.seen, s.exists = nil, info != nil
	if info != nil && time.Since(info.ModTime()) > settledAfter {
		s.seen = info
	}
}

func (s *Store) sayGone() {
	s.log.Warn("there is no file of API keys, so no key is accepted: butler apikey create makes one", logx.Path(s.file.path))
}
