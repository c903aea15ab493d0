// Package filelock owns the lock by which processes of one machine keep out of
// each other's files.
//
// It guarantees that one of them has the lock of a file at a time, and that the
// lock ends with the process at the latest. It never waits, and must never
// remove a file: whoever opened it before would hold the lock of a file that
// nobody else finds.
package filelock

import "errors"

// ErrLocked is the answer while another process has the lock.
var ErrLocked = errors.New("locked by another process")
