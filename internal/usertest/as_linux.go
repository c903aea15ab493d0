package usertest

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// As does something as the user of an ID where it is about files, and waits for it.
// Goroutines that it starts are not that user. Only root may do so.
func As(t *testing.T, id int, what func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with its other rights
		if _, err := unix.SetfsuidRetUid(id); err != nil {
			t.Error(err)
			return
		}
		what()
	}()
	<-done
}
