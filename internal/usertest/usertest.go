// Package usertest lets tests deal with several users of the system.
//
// It guarantees that no other goroutine gets the rights of another user. It must
// never be used outside of tests.
package usertest

import (
	"os"
	"testing"
)

// Root skips a test that gives files away, or opens those of others, where only root may.
func Root(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root may deal with the files of others")
	}
}
